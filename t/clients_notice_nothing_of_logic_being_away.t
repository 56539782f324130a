# goim-logic is killed: who is connected gets pushes and answers to heartbeats as
# before, a message of its own is refused, and who comes new is told "try
# later".  A new goim-logic, which knows nobody, soon knows all.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 12;

my $goim = Test::Goim->new(workers => 2, logic => 1,
                           servers => '%%TCP_SERVER%%')->start;


sub token {
    my ($mid) = @_;

    return { mid => $mid, key => "k$mid", accepts => [1000],
             room_id => 'live://1' };
}


# Whether a member gets a push over goim-logic, which must know where it is.
sub is_found {
    my ($client, $mid, $body) = @_;

    return wait_until(30, undef, sub {
        $goim->ask_logic("/goim/push/mids?operation=1000&mids=$mid",
                         method => 'POST', body => $body);
        return $client->take(sub { $_[0]{body} eq $body }, 0.1);
    });
}


my $ws = $goim->connect_ws->auth(token(1));
my $tcp = $goim->connect_tcp(token => token(2))->auth;

ok(is_found($ws, 1, 'before') && is_found($tcp, 2, 'before'),
   'both clients are known');

$goim->logic->kill9;

for my $case ([$ws, 'WebSocket'], [$tcp, 'TCP']) {
    my ($client, $name) = @$case;

    $client->send_packet(4, 'a message');
    is($client->reply(5)->{body} =~ /"code":(-?\d+)/ ? $1 : 'none', -502,
       "$name: a message is refused");
    is($client->heartbeat, 2, 'a heartbeat is answered with the count');
}

$goim->push_room('live://1', 1000, 'a push');
is($_->take(sub { $_[0]{body} eq 'a push' }) && 'a push', 'a push',
   'pushes arrive') for $ws, $tcp;

my $late = $goim->connect_ws(token => token(3));
is($late->expect_close(30), 1013, 'who comes now is told to try later');
is($goim->connect_tcp(token => token(4))->expect_close(30), 'eof',
   'or just closed, as goim has it');

$goim->logic->start;

ok(is_found($ws, 1, 'after') && is_found($tcp, 2, 'after'),
   'a new goim-logic is told of all who are there');
ok($goim->connect_ws(token => token(3))->auth, 'and lets others in');
is(scalar(grep { !$_->is_open } $ws, $tcp), 0, 'nobody was closed');
