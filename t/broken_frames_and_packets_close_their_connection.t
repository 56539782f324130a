# What is no WebSocket frame or no goim packet closes the connection it came
# on, with the code that RFC 6455 has for it, and touches nobody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Goim::Packet qw(packet frame OP_HEARTBEAT WS_TEXT WS_BINARY
                          WS_CLOSE WS_PING);

my $beat = packet(OP_HEARTBEAT, '');
my $big = packet(1000, 'x' x 985);

# what is sent, the code, and why
my @cases = (
    [frame(WS_BINARY, $beat, rsv => 0x40), 1002, 'a reserved bit'],
    [frame(WS_BINARY, $beat, rsv => 0x10), 1002, 'another one'],
    [frame(3, $beat), 1002, 'a reserved opcode'],
    [frame(0xb, ''), 1002, 'a reserved control opcode'],
    [frame(WS_PING, 'a', fin => 0), 1002, 'a fragment of a ping'],
    [frame(WS_CLOSE, pack('n', 1000), fin => 0), 1002,
     'a fragment of a close frame'],
    [frame(WS_PING, 'a' x 126), 1002, 'a ping of more than 125 bytes'],
    [frame(0, $beat), 1002, 'a continuation of nothing'],
    [frame(WS_BINARY, $beat, fin => 0) . frame(WS_BINARY, $beat), 1002,
     'a new message within another'],
    [pack('C C n', 0x82, 126, 16) . $beat, 1002,
     'a length of 16 bits that 7 would hold'],
    [pack('C C Q>', 0x82, 127, 16) . $beat, 1002,
     'a length of 64 bits that 7 would hold'],
    [pack('C C Q>', 0x82, 127, 1 << 63), 1002, 'a length with the top bit'],
    [frame(WS_CLOSE, 'x'), 1002, 'a close frame with half a code'],
    [frame(WS_CLOSE, pack('n', 1005)), 1002,
     'a close code that never stands in a frame'],

    [frame(WS_BINARY, ''), 1002, 'a message without a packet'],
    [frame(WS_BINARY, substr($beat, 0, 15)), 1002, 'half a packet header'],
    [frame(WS_BINARY, pack('N', 17) . substr($beat, 4)), 1002,
     'a packet longer than its message'],
    [frame(WS_BINARY, pack('N', 0x80000010) . substr($beat, 4)), 1002,
     'a negative packet length'],
    [frame(WS_BINARY, pack('N', 15) . substr($beat, 4)), 1002,
     'a packet length below 16'],
    [frame(WS_BINARY, pack('N n', 16, 15) . substr($beat, 6)), 1002,
     'a header length of 15'],
    [frame(WS_BINARY, pack('N n', 20, 20) . substr($beat, 6) . 'more'), 1002,
     'a header length of 20'],

    [frame(WS_BINARY, $big), 1009, 'a packet beyond goim_max_packet'],
    [frame(WS_TEXT, $big), 1009, 'also as text'],
    [frame(WS_BINARY, substr($big, 0, 600), fin => 0)
     . frame(0, substr($big, 600)), 1009, 'also in fragments'],
    [pack('C C Q>', 0x82, 127, 1 << 40), 1009,
     'a frame that says it will be huge, at once'],
);

require Test::Goim;
Test::Goim->import(tests => @cases + 5);

my $goim = Test::Goim->new(workers => 1,
                           location => 'goim_max_packet 1000;')->start;
my ($healthy) = $goim->connect_many(1, {
    numbers => 1, token => { room_id => 'live://1' } });
my $stream = $goim->stream('live://1', count => 100000, rate => 500);

for my $case (@cases) {
    my ($bytes, $code, $name) = @$case;

    my $client = $goim->connect_ws->join_room('live://1');
    $client->send_bytes($bytes);
    is($client->expect_close, $code, "$code for $name");
}

my $counted = 0;
wait_until(10, undef, sub {
    return ($counted = $goim->status->{total}{closed_protocol}) == @cases;
});
is($counted, @cases, 'each of them is counted');

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 10, $healthy),
   'a neighbour meanwhile got its stream');
is_deeply($goim->faults(undef, $sent, $healthy), [], 'without a fault');

# a frame before authentication

my $early = $goim->connect_ws;
$early->response;
$early->send_frame(WS_BINARY, 'nonsense');
is($early->expect_close, 1002,
   '1002 for a broken packet before authentication');

$goim->connect_ws->join_room('live://1')
    ->send_frame(WS_BINARY, packet(1000, 'x' x 984));
ok($healthy->heartbeat, 'a packet of goim_max_packet bytes is no fault');
