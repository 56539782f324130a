# The status of one room and of one key is told by any worker, whichever
# has the key's connection, and is JSON whatever the names are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 22;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           http => <<'HTTP', servers => '%%TCP_SERVER%%')->start;
goim_room live://* { backlog 64k; overflow close; max_members 70; flush 1ms count 20; }
HTTP

my $nginx = $goim->nginx;


# The answer of a query, decoded, with its HTTP status as "status".
sub asked {
    my ($query) = @_;

    my $answer = $nginx->get("/goim/status?$query");

    return { status => $answer->{status}, $answer->{body} !~ /^\{/ ? ()
             : %{JSON::PP->new->utf8->decode($answer->{body})} };
}


my $n = 0;
my @clients = $goim->connect_spread(1, sub {
    return { token => { key => 'k' . ++$n, mid => 40 + $n,
                        room_id => 'live://1', accepts => [7, -1] } };
});

# rooms

my $room = asked('room=live://1');
is($room->{host}, scalar @clients, 'a room\'s members on all workers');
is($room->{online}, scalar @clients, 'which is what clients hear');
is_deeply($room->{class},
          { pattern => 'live://*', backlog => 65536, overflow => 'close',
            max_members => 70, flush_ms => 1, flush_count => 20,
            max_rate => 0 }, 'and its class');
is(asked('room=other%3A%2F%2Fa%22%5C')->{room}, 'other://a"\\',
   'a name is decoded, and quoted again');
is(asked('room=other')->{class}{pattern}, '*', 'others have the default');
is(asked('room=a%FFb%C3%A9%C3(%ED%A0%80')->{room}, "a?b\xe9?(???",
   'what is not UTF-8 is replaced');
is(asked('room=' . 'x' x 256)->{status}, 400, 'a long name is none');
is(asked('room=a%0Ab')->{status}, 400, 'nor is one with a line\'s end');

# keys, asked often enough that both workers are asked

$goim->push_room('live://1', 1000, 'x');
$_->next_body for @clients;

for my $client (@clients[0, -1]) {
    my $key = $client->{token}{key};
    my @all = map { asked("key=$key") } 1 .. 4;

    is(join(' ', map { $_->{status} } @all), '200 200 200 200',
       "$key is found by whichever worker is asked");

    my ($one) = @all;
    is("$one->{key} $one->{room} $one->{transport} $one->{mid}",
       "$key live://1 websocket $client->{token}{mid}", 'who it is');
    is("@{$one->{accepts}} $one->{sent} $one->{skipped} $one->{pending}",
       '-1 7 1 0 0', 'what it gets, and has got');
    is($one->{pid}, $goim->worker_of($client), 'and where');
    ok($one->{age} >= $one->{silent} && $one->{connection},
       'how long, and by what id');
}

my $odd = $goim->connect_tcp->auth({ key => "a\"\\\xc3\xa9 b" });
my ($one) = grep { $_->{status} == 200 }
    map { asked('key=a%22%5C%C3%A9%20b') } 1 .. 3;
is("$one->{key} " . ($one->{room} // 'none') . " $one->{transport}",
   "a\"\\\xe9 b none tcp", 'any key can be asked for, in no room as well');

is(asked('key=nobody')->{status}, 404, 'a key that nobody has is not found');
is(asked('key=' . 'k' x 256)->{status}, 400, 'one that is too long is none');

my ($page) = $nginx->get('/goim/status')->{body};
ok(JSON::PP->new->utf8->decode($page), 'the whole is still JSON');
