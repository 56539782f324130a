# Reserved bits and opcodes, as RFC 6455 has them (5.2): what came before is
# answered, the connection then fails with 1002, and nothing behind is looked
# at.  In the echo as in the module that is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 62;

use Test::Goim::FrameClient qw(echo_host plain_host conforms counts text
                               pong closed);
use Test::Goim::Packet qw(frame WS_TEXT WS_BINARY WS_CLOSE WS_PING);

my $hello = frame(WS_TEXT, 'Hello');
my $ping = frame(WS_PING, '');
my $echo = echo_host();

for my $host ($echo, plain_host()) {
    my $kind = $host == $echo ? 'echo' : 'served';

    # what is answered before
    my ($before, $answer) = $host == $echo ? ($hello, text('Hello'))
        : (frame(WS_PING, 'Hello'), pong('Hello'));

    conforms($host, "$kind: text with RSV3",
             [frame(WS_TEXT, 'Hello', rsv => 0x10), $ping], [closed(1002)]);
    for my $by (undef, 'parts', 'bytes') {
        conforms($host, "$kind: with RSV2, " . ($by || 'at once'),
                 [$before, frame(WS_TEXT, 'Hello', rsv => 0x20), $ping],
                 [$answer, closed(1002)], by => $by);
    }
    conforms($host, "$kind: binary with RSV1 and RSV3",
             [frame(WS_BINARY, 'Hello', rsv => 0x50)], [closed(1002)]);
    conforms($host, "$kind: a ping with RSV1 and RSV2",
             [frame(WS_PING, '', rsv => 0x60)], [closed(1002)]);
    conforms($host, "$kind: a close frame with all of them",
             [frame(WS_CLOSE, pack('n', 1000), rsv => 0x70)],
             [closed(1002)], end => 0);
    conforms($host, "$kind: a fragment with RSV1",
             [frame(WS_TEXT, 'Hel', rsv => 0x40, fin => 0)],
             [closed(1002)]);

    for my $opcode (3 .. 7, 11 .. 15) {
        conforms($host, "$kind: opcode $opcode", [frame($opcode, ''), $ping],
                 [closed(1002)]);
        conforms($host, "$kind: with a payload, behind something right",
                 [$before, frame($opcode, 'all'), $ping],
                 [$answer, closed(1002)], by => $opcode & 1 ? 'bytes' : undef);
    }

    conforms($host, "$kind: the first byte is enough", ["\x83"],
             [closed(1002)], end => 0);

    counts($host, 'closed_protocol', 29, "$kind: each is counted");
    ok($host->nginx->alive, "$kind: and nothing else has happened");
}
