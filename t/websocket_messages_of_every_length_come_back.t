# Framing as RFC 6455 wants it (5.2, 5.3): messages of all forms of length come
# back from the echo, however they are cut into segments, frame by frame or
# octet by octet, masked or, as goim has it, not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 40;

use Test::Goim::FrameClient qw(echo_host conforms counts text binary
                               closed);
use Test::Goim::Packet qw(frame WS_TEXT WS_BINARY);

my $goim = echo_host();
my @lengths = (0, 1, 125, 126, 127, 128, 65535, 65536, 65537);

for my $length (@lengths) {
    my $payload = '*' x $length;
    my $bytes = join('', map { chr($_ % 256) } 1 .. $length);

    conforms($goim, "a text of $length bytes",
             [frame(WS_TEXT, $payload)], [text($payload), closed(1000)]);
    conforms($goim, "$length bytes",
             [frame(WS_BINARY, $bytes)], [binary($bytes), closed(1000)]);

    if ($length <= 128) {
        conforms($goim, "a text of $length bytes, one by one",
                 [frame(WS_TEXT, $payload)], [text($payload), closed(1000)],
                 by => 'bytes');
        conforms($goim, "$length bytes, one by one",
                 [frame(WS_BINARY, $bytes)], [binary($bytes), closed(1000)],
                 by => 'bytes');
    }
}


# Bytes in pieces of a size.
sub pieces {
    my ($bytes, $size) = @_;

    return [unpack("(a$size)*", $bytes)];
}

my $long = join('', map { chr(32 + $_ % 95) } 1 .. 65536);

conforms($goim, '65536 bytes of text in segments of 997',
         pieces(frame(WS_TEXT, $long), 997), [text($long), closed(1000)],
         by => 'parts');
conforms($goim, '65536 bytes in segments of 997',
         pieces(frame(WS_BINARY, $long), 997), [binary($long), closed(1000)],
         by => 'parts');

my $frames = pieces($long, 1300);
$_ = frame(0, $_, fin => 0) for @$frames;
conforms($goim, '65536 bytes of text in frames of 1300',
         [frame(WS_TEXT, '', fin => 0), @$frames, frame(0, '')],
         [text($long), closed(1000)]);

conforms($goim, 'all zeros in the mask',
         [frame(WS_TEXT, 'Hello', mask => "\0\0\0\0")],
         [text('Hello'), closed(1000)]);

# what goim takes: the one place where RFC 6455, 5.1, is not followed

conforms($goim, 'no mask', [frame(WS_TEXT, 'Hello', mask => undef)],
         [text('Hello'), closed(1000)]);
conforms($goim, 'no mask, byte by byte, between masked ones',
         [frame(WS_TEXT, 'Hel', fin => 0), frame(0, 'lo ', fin => 0,
                                                 mask => undef),
          frame(0, 'world')],
         [text('Hello world'), closed(1000)], by => 'bytes');

# limits of the length itself

conforms($goim, 'a length of 16 bits that 7 would hold',
         [pack('C C n', 0x82, 126, 125)], [closed(1002)]);
conforms($goim, 'a length of 64 bits that 16 would hold',
         [pack('C C Q>', 0x82, 127, 65535)], [closed(1002)]);
conforms($goim, 'a length with the top bit',
         [pack('C C Q>', 0x82, 127, 1 << 63)], [closed(1002)]);

counts($goim, 'closed_protocol', 3, 'only what is wrong is counted as such');
