# Pushes to keys and to all, also with a speed, and kicks reach a connection
# once and in order while it goes from worker to worker; so does who has still
# to be authenticated, or waits for an answer to its own message.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

my $goim = Test::Goim->new(
    workers => 2, channel => 'size=1m lanes=2',
    topics => { 'goim-push-topic' => 2 },
    location => 'goim_publish /auth;', servers => '%%TCP_SERVER%%')->start;
my $nginx = $goim->nginx;

my $token = { accepts => [1000], room_id => 'live://1' };
my $n = 0;
my @clients = ((map { $goim->connect_ws->auth({ %$token, key => 'k' . $n++ }) }
                    1 .. 15),
               (map { $goim->connect_tcp->auth({ %$token, key => 'k' . $n++ }) }
                    1 .. 15));
my @keys = map { "k$_" } 0 .. $n - 1;

my $late = $goim->connect_ws;
$late->response;

# three reloads in the middle of it; the one in the handshake stays

my (%sent, $pushes);
$pushes = 0;


sub push_some {
    for (1 .. 40) {
        $pushes++;
        $goim->push_keys(\@keys, 1000, "key $pushes");
        $goim->push_all(1000, "all $pushes");
        $goim->push_all(1000, "slow $pushes", speed => 2000)
            if $pushes % 4 == 0;
        $goim->push_room('live://1', 1000, "room $pushes");
    }
}


for my $workers (3, 1, 2) {
    my %old = map { $_ => 1 } $goim->worker_pids;

    push_some();
    $nginx->write_conf(workers => $workers);
    CORE::kill('HUP', $nginx->pid);
    push_some();

    wait_until(30, 'new workers', sub {
        push_some() if $pushes < 400;
        my @now = $goim->worker_pids;
        return @now == $workers && !grep { $old{$_} } @now;
    });
}
$nginx->expect_workers;

is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is disconnected');

# each kind is in one partition, and in order

my $slow = int($pushes / 4);

ok(wait_until(60, undef, sub {
    return !grep { $_->waiting < 3 * $pushes + $slow } @clients;
}), 'all arrives') or diag(join(' ', map { $_->waiting } @clients));

my %wrong;

for my $client (@clients) {
    my %got;

    for my $body ($client->bodies) {
        my ($kind, $number) = split(/ /, $body);
        push @{$got{$kind}}, $number;
    }

    my @all = (1 .. $pushes);
    my @fourth = grep { $_ % 4 == 0 } @all;

    for my $kind (qw(key all room)) {
        $wrong{$kind}++ if "@{$got{$kind} || []}" ne "@all";
    }
    $wrong{slow}++ if "@{$got{slow} || []}" ne "@fourth";
}
is_deeply(\%wrong, {}, 'once, and in order, of every kind');

# in the handshake

$late->send_auth({ room_id => 'live://1', key => 'late' });
ok($late->reply(8), 'who was not authenticated yet is, after reloads');
ok(wait_until(20, undef, sub { !$nginx->old_worker_pids }),
   'and is handed over then');
$goim->push_room('live://1', 1000, 'to late');
is($late->next_body, 'to late', 'and gets what is for its room');

# kicks

$goim->kick(['k0', 'k20'], reason => 'why');
is($clients[0]->expect_close(20), 1008, 'a kick finds who was handed over');
is($clients[20]->expect_close(20), 'eof', 'on TCP as well');

is($goim->counted('drop_missed', 'handover_drained'), 0, 'nothing is lost');
