# A client that sends as fast as it can holds up nobody: before it is let in it
# is ended by its timeout, later goim_packet_rate reads from it as slowly as is
# wanted, and loses nothing; without that it has its turns like all others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use POSIX qw(_exit);
use Test::More;
use Test::Goim tests => 19;
use Time::HiRes qw(time);

use Test::Goim::Packet qw(packet frame OP_HEARTBEAT OP_HEARTBEAT_REPLY
                          OP_AUTH WS_BINARY WS_PING);

my $goim = Test::Goim->new(workers => 1, server => <<'CONF',
location = /hasty { goim; goim_auth /auth; goim_handshake_timeout 500ms; }
location = /paced {
    goim;
    goim_auth /auth;
    goim_packet_rate 20 burst=5;
}
location = /paced_open { goim; goim_auth /auth; goim_packet_rate off; }
CONF
    http => 'goim_packet_rate 100000;',
    servers => <<'CONF')->start;
server {
    listen 127.0.0.1:%%PORT_tcp%%;
    goim_tcp /hasty;
    %%locations%%
    location = /hasty { goim; goim_auth /auth; goim_handshake_timeout 500ms; }
}
server {
    listen 127.0.0.1:%%PORT_slow%%;
    goim_tcp /paced;
    %%locations%%
    location = /paced { goim; goim_auth /auth; goim_packet_rate 20 burst=5; }
}
CONF

my $heartbeat = packet(OP_HEARTBEAT, '');
my $upgrade = join("\r\n", 'Host: x', 'Upgrade: websocket',
                   'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
                   'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '');


# A process that sends, and whether it is ended by the other side in time.
sub flood {
    my ($port, $first, $again) = @_;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        $SIG{PIPE} = 'IGNORE';
        $SIG{ALRM} = 'DEFAULT';
        alarm(60);

        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                           PeerPort => $port) or _exit(1);
        my $block = $again x int(1 + 1e6 / length $again);

        $socket->syswrite($first) if length $first;
        1 while $socket->syswrite($block);
        _exit(0);
    }

    return $pid;
}


sub ended {
    my ($pid) = @_;

    return wait_until(30, undef, sub { waitpid($pid, 1) == $pid })
           && $? == 0;
}


# before it is let in

my %flood = (
    websocket => flood($goim->port, "GET /hasty HTTP/1.1\r\n$upgrade",
                       frame(WS_BINARY, $heartbeat)),
    tcp => flood($goim->nginx->extra_port('tcp'), '', $heartbeat),
);

for my $name (sort keys %flood) {
    ok(ended($flood{$name}), "$name: who floods before it is let in is ended");
}
is($goim->status->{total}{auth_timeout}, 2, 'by its timeout');

# later: packets are taken at their rate, and none is lost

my %client = (
    websocket => $goim->connect_ws(path => '/paced'),
    tcp => $goim->connect_tcp(port => $goim->nginx->extra_port('slow')),
);

for my $name (sort keys %client) {
    my $client = $client{$name};
    my $before = $goim->status->{total}{rate_pauses};

    $client->auth({ room_id => 'live://1' });
    $client->heartbeat;

    my $start = time;
    $client->send_packet(OP_HEARTBEAT, '', seq => $_) for 1 .. 45;

    is($client->reply(OP_HEARTBEAT_REPLY)->{seq}, 1,
       "$name: the first are answered at once");
    my @seq = map { $client->reply(OP_HEARTBEAT_REPLY, 30)->{seq} } 2 .. 45;
    my $took = time - $start;

    is_deeply(\@seq, [2 .. 45], "$name: all of them are, in order");
    cmp_ok($took, '>', 1.8, "$name: 40 beyond the burst take two seconds");
    cmp_ok($goim->status->{total}{rate_pauses}, '>', $before,
           "$name: pauses are counted");
}

# Frames count, whatever is in them; pushes reach it meanwhile, and so does
# the end of a client that is paused.

my $client = $client{websocket};
$client->send_frame(WS_PING, "$_") for 1 .. 100;
$goim->push_room('live://1', 1000, 'push');
is($client->next_body, 'push', 'pushes reach a paused client');
ok(@{$client->{pongs} || []} < 30, 'before its pings are through');
ok(wait_until(20, undef, sub { @{$client->{pongs} || []} == 100 }),
   'which are answered, too');

$client->send_frame(WS_PING, "$_") for 1 .. 10;
$client->close_politely;
is($client->expect_close(20), 1000, 'a close frame is answered when it is due');

# without a limit, others have their turn

my $open = flood($goim->port,
                 "GET /paced_open HTTP/1.1\r\n$upgrade"
                 . frame(WS_BINARY, packet(OP_AUTH, '{}')),
                 frame(WS_BINARY, packet(1000, '')));
my $other = $goim->connect_ws->join_room('live://1');
wait_until(20, 'the flood', sub {
    $goim->status->{total}{packets_in} > 2000 });
ok(defined $other->heartbeat, 'another client is answered during a flood');
kill('KILL', $open);
waitpid($open, 0);

for my $case (['goim_packet_rate 0;', qr/packets per second, between 1 and/],
              ['goim_packet_rate 10 burst=0;', qr/burst=" between 1 and/],
              ['goim_packet_rate 1; goim_packet_rate 2;', qr/is duplicate/])
{
    my ($exit, $text) = $goim->nginx_t(http => $case->[0]);
    ok($exit && $text =~ $case->[1], "refused: $case->[0]") or diag($text);
}
