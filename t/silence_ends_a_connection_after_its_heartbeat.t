# A connection lives as long as its client's heartbeats, operation 2, come:
# silence for X-Goim-Heartbeat ends it, else for goim_heartbeat.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

use Time::HiRes qw(time);

use Test::Goim::Packet qw(OP_HEARTBEAT OP_HEARTBEAT_REPLY OP_AUTH
                          WS_PING WS_PONG);

my $goim = Test::Goim->new(workers => 1, kafka => 0,
                           location => 'goim_heartbeat 1500ms;')->start;


# An authenticated client, with the time before it was.
sub client {
    my ($heartbeat) = @_;

    my $before = time;
    my $client = $goim->connect_ws->auth({ room_id => 'live://1', test => {
        headers => { 'X-Goim-Heartbeat' => $heartbeat } } });
    $client->{born} = $before;

    return $client;
}


my %client = (
    beats => client(2),
    sends => client(2),
    silent => client(2),
    default => client(undef),
    long => client(60),
);
my %lived;
my $beats = 0;
my $next = 0;
my $late = 0;


# One turn of all that happens at the same time: beats, other packets, ends.
sub turn {
    for my $name (keys %client) {
        $lived{$name} ||= time - $client{$name}{born}
            if $client{$name}->is_closed;
    }

    return if time < $next;

    # a machine that stands still sends no beats
    if ($next && time - $next > 1 && $client{beats}) {
        $late++;
        $client{beats}->disconnect;
        $client{beats} = client(2);
    }

    $next = time + 0.1;
    $client{beats}->send_packet(OP_HEARTBEAT, '', seq => ++$beats);

    $client{sends}->send_packet($_, 'x')
        for OP_HEARTBEAT_REPLY, OP_AUTH, 1000, 4;
    $client{sends}->send_frame($_, 'x') for WS_PING, WS_PONG;
}


wait_until(20, undef, sub {
    turn();
    return $lived{silent} && $lived{default} && $lived{sends};
});

# also long enough for the one that beats to have died without its beats
wait_until(20, 'twice its heartbeat', sub {
    turn();
    return time - $client{beats}{born} > 4;
});

ok(!exists $client{silent}{close_code}, 'silence ends a connection');
cmp_ok($lived{silent}, '>=', 1.99, 'not before X-Goim-Heartbeat');
cmp_ok($lived{default}, '>=', 1.49, 'nor, without one, before goim_heartbeat');
ok(defined $lived{sends},
   'other packets, operation 3 among them, pings and pongs are no heartbeat');
ok($client{beats}->is_open, 'heartbeats keep a connection');
ok($client{long}->is_open, 'and so does a longer time');

my $total = $goim->status->{total};
ok($total->{closed_timeout} >= 3 && $total->{closed_timeout} <= 3 + $late,
   'each that was silent is counted');

my $beating = $client{beats};
my $quiet_since = time;
$beating->send_packet(OP_HEARTBEAT, '', seq => -1);
is($beating->expect_close, 'eof', 'without more beats that one ends, too');
cmp_ok(time - $quiet_since, '>=', 1.99, 'its time counted from its last beat');
