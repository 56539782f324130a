# Through TLS everything is as without: authentication, heartbeats, pushes,
# large messages to a client that reads slowly, the close handshake.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

use Test::Goim::Packet qw(packet frame OP_HEARTBEAT WS_PING);

my $goim = Test::Goim->new(workers => 1,
                           servers => <<'CONF', http => <<'HTTP');
server {
    listen 127.0.0.1:%%PORT_tls%% ssl sndbuf=64k;
    ssl_certificate %%DIR%%/cert.pem;
    ssl_certificate_key %%DIR%%/key.pem;
    ssl_buffer_size 4k;
    %%locations%%
}
CONF
goim_room live://* { backlog 64m; overflow close; }
goim_room skip://* { backlog 256k; overflow skip; }
HTTP

$goim->make_certificate->start;
my $port = $goim->nginx->extra_port('tls');


sub client {
    my ($room, %opt) = @_;

    return $goim->connect_tls($port, %opt)->join_room($room);
}


# the whole exchange

my $client = client('live://1');
is($client->heartbeat, 1, 'authentication and heartbeats');

# a room of its own: what is in flight to it disturbs no other check
$goim->push_room('live://1', 1000, 'hello');
is($client->next_body, 'hello', 'a push');

my $bytes = frame(2, packet(OP_HEARTBEAT, '', seq => 7));
$client->send_bytes(substr($bytes, 0, 5));
$client->send_bytes(substr($bytes, 5) . frame(WS_PING, 'x'));
is($client->reply(3)->{seq}, 7, 'packets in parts');
ok(wait_until(10, undef, sub { $client->{pongs} }), 'a ping');

$client->close_politely(3001);
is($client->expect_close, 3001, 'the close handshake');

$client = client('live://1');
$client->{mute} = 1;
$client->send_bytes(frame(3, '') . 'x' x 100_000);
is($client->expect_close, 1002, 'why a connection fails');

ok(wait_until(10, undef, sub {
    return $goim->status->{total}{connections} == 0;
}), 'and its end on both sides');

# large messages to a client that reads only now and then

my $plain = $goim->connect_ws(numbers => 1)->join_room('live://2');
my $slow = client('live://2', numbers => 1);
my $skips = client('skip://2', numbers => 1);
$_->pause for $slow, $skips;

# less than the 5 MB that the mock keeps
my ($count, $size) = (40, 50_000);
my $stream = $goim->stream(['live://2', 'skip://2'], count => $count,
                           size => $size, rate => 50);

ok($goim->all_reach($count, 20, $plain), 'a stream of large messages');

# it takes some, waits, takes some
for my $part (1 .. 4) {
    $slow->resume;
    $goim->all_reach($part * $count / 5, 20, $slow);
    $slow->pause;
    $plain->heartbeat;
}
$slow->resume;

ok($goim->all_reach($count, 20, $slow), 'reaches a client that reads slowly');
is_deeply($goim->faults(1, $count, $slow), [], 'without a fault');

# the one that skips missed the old; what comes now waits for it

my $skipped;
ok(wait_until(10, undef, sub {
    $skipped = $goim->status->{total}{drop_backlog};
    return $skipped > $count / 4;
}), 'what a client does not take is skipped');

my $last = $count;
my $before;

do {
    $before = $goim->status->{total};
    $goim->push_room('skip://2', 1000, sprintf('%0*d', $size, ++$last));
    wait_until(10, 'the push to be read', sub {
        return $goim->status->{total}{records} > $before->{records};
    });
    $skipped = $goim->status->{total}{drop_backlog};
} while ($skipped != $before->{drop_backlog});

$skips->resume;
ok($goim->all_reach($last, 20, $skips), 'it gets the newest');
is(scalar(grep { /^(\d+) after (\d+)$/ && $1 <= $2 } $skips->faults), 0,
   'never backwards, each message whole');
is($skips->count + $skipped, $last, 'got and skipped make all');
