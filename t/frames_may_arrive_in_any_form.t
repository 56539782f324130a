# A packet is the same however its client cuts it into frames and segments,
# masked or not; pings are answered, and a close frame comes back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

use Test::Goim::Packet qw(packet frame OP_HEARTBEAT OP_HEARTBEAT_REPLY
                          WS_TEXT WS_BINARY WS_CLOSE WS_PING);

my $goim = Test::Goim->new(workers => 1, kafka => 0)->start;
my $client = $goim->connect_ws->join_room('live://1');
my $seq = 0;


# A heartbeat with a number of its own.
sub beat { return packet(OP_HEARTBEAT, '', seq => ++$seq) }


# Whether exactly the last heartbeat's answer comes for these bytes.
sub answered {
    my (@parts) = @_;

    $client->send_bytes($_) for @parts;

    my $reply = $client->reply(OP_HEARTBEAT_REPLY) or return 0;

    return $reply->{seq} == $seq && $reply->{body} eq pack('N', 1);
}


ok(answered(frame(WS_BINARY, beat())), 'one masked frame');
ok(answered(frame(WS_BINARY, beat(), mask => undef)),
   'one that is not masked, as goim takes it');
ok(answered(frame(WS_TEXT, beat())), 'a text frame, as goim takes it');
ok(answered(frame(WS_BINARY, beat() . 'what follows')),
   'a packet with something behind it, as goim takes it');

my $beat = beat();
ok(answered(frame(WS_BINARY, substr($beat, 0, 3), fin => 0),
            frame(WS_PING, 'between'),
            frame(0, substr($beat, 3, 4), fin => 0),
            frame(0, '', fin => 0),
            frame(0, substr($beat, 7))),
   'fragments with a ping between them');
is_deeply($client->{pongs}, ['between'], 'whose answer is its own payload');

# several in one segment

my $before = $seq;
$client->send_bytes(join('', map { frame(WS_BINARY, beat()) } 1 .. 50));
is_deeply([map { $client->reply(OP_HEARTBEAT_REPLY)->{seq} } 1 .. 50],
          [$before + 1 .. $seq],
          'fifty frames in one segment are answered in order');

# Split everywhere: the first part is on its way alone, as TCP_NODELAY would
# have it, once another connection was served in between.

my $other = $goim->connect_ws->join_room('live://2');


# How many splits of a frame are answered wrongly.
sub bad_splits {
    my (%opt) = @_;

    my $bad = 0;

    for my $at (1 .. length(frame(WS_BINARY, beat(), %opt)) - 1) {
        my $frame = frame(WS_BINARY, beat(), %opt);

        $client->send_bytes(substr($frame, 0, $at));
        $other->heartbeat;
        $bad++ if !answered(substr($frame, $at));
    }

    return $bad;
}


is(bad_splits(), 0, 'a frame may be split at every byte');
is(bad_splits(mask => undef), 0, 'masked or not');

my $frame = frame(WS_BINARY, beat());
for my $i (0 .. length($frame) - 2) {
    $client->send_bytes(substr($frame, $i, 1));
    $other->heartbeat;
}
ok(answered(substr($frame, -1)), 'and into single bytes');

# pings and the close handshake

my $payload = join('', map { chr } 0 .. 124);
$client->{pongs} = [];
$client->send_frame(WS_PING, $payload);
$client->send_frame(WS_PING, '');
wait_until(10, 'two pongs', sub { @{$client->{pongs}} == 2 });
is_deeply($client->{pongs}, [$payload, ''],
          'pings of 125 bytes and of none come back as they were');

$client->close_politely(4321);
is($client->expect_close, 4321, 'a close frame comes back with its code');

$client = $goim->connect_ws->join_room('live://1');
$client->{close_sent} = 1;
$client->send_frame(WS_CLOSE, '');
like($client->expect_close, qr/^(1000|1005)$/,
     'one without a code is answered, too');

my $total = $goim->status->{total};
is("$total->{closed_protocol} $total->{closed_client}", '0 2',
   'none of it counts as a fault');
