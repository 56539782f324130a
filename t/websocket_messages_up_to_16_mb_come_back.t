# Limits: messages of many megabytes in one frame or in fragments of any size,
# in segments of any size, and many messages one after the other come back
# from the echo; what is larger than goim_max_packet is refused with 1009
# before it is sent.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::FrameClient qw(echo_host plain_host conforms counts text
                               binary closed);
use Test::Goim::Packet qw(frame packet OP_HEARTBEAT WS_TEXT WS_BINARY);

# with sanitizers all is some ten times slower
my $san = Test::Goim::sanitized();
my @sizes = (65536, 262144, 1048576, $san ? () : 4194304);

Test::Goim->plan(2 * @sizes + 6 + 5 + 6 + ($san ? 0 : 2) + 7);

my $echo = echo_host();
my $mb = join('', map { pack('N', $_) } 1 .. 262144);
my $letters = 'BAsd7&jh23µß直弹κόσμε' x 40_000;


# As fragments of a size.
sub fragments {
    my ($opcode, $payload, $size) = @_;

    my @parts = unpack("(a$size)*", $payload);
    my $first = shift @parts;

    return (frame($opcode, $first, fin => 0),
            map({ frame(0, $_, fin => 0) } @parts), frame(0, ''));
}


sub bytes { return substr($mb x 16, 0, $_[0]) }

for my $size (@sizes) {
    my $text = '*' x $size;

    conforms($echo, "a text of $size bytes", [frame(WS_TEXT, $text)],
             [text($text), closed(1000)]);
    conforms($echo, "$size bytes", [frame(WS_BINARY, bytes($size))],
             [binary(bytes($size)), closed(1000)]);
}

for my $size (64, 256, 1024, 4096, 16384, 65536) {
    conforms($echo, "1 MB in fragments of $size bytes",
             [fragments(WS_BINARY, $mb, $size)],
             [binary($mb), closed(1000)]);
}

for my $size (64, 128, 256, 512, 1024) {
    my $part = substr($letters, 0, $san ? 32768 : 131072);

    chop($part) while substr($letters, length $part) =~ /^[\x80-\xbf]/;

    conforms($echo, "$size bytes of a text at a time",
             [unpack("(a$size)*", frame(WS_TEXT, $part))],
             [text($part), closed(1000)], by => 'parts');
}

for my $size (0, 16, 64, 256, 1024, 4096) {
    my @messages = map { substr($mb, $_ * 4, $size) } 1 .. 200;

    conforms($echo, "two hundred messages of $size bytes",
             [map { frame(WS_BINARY, $_) } @messages],
             [map({ binary($_) } @messages), closed(1000)]);
}

if (!$san) {
    conforms($echo, '16 MB', [frame(WS_BINARY, bytes(16777216))],
             [binary(bytes(16777216)), closed(1000)]);
    conforms($echo, '16 MB in fragments of 64 KB',
             [fragments(WS_BINARY, bytes(16777216), 65536)],
             [binary(bytes(16777216)), closed(1000)]);
}

# beyond the limit, told by the header

conforms($echo, '16 MB and a byte', [pack('C C Q> N', 0x82, 0x80 | 127,
                                          16777217, 0)], [closed(1009)],
         end => 0);
conforms($echo, 'as many as a length can say',
         [pack('C C Q> N', 0x81, 0x80 | 127, ~0 >> 1, 0)],
         [closed(1009)], end => 0);

my $goim = plain_host(location => 'goim_max_packet 1000;');
my $packet = packet(1000, 'x' x 984);

conforms($goim, 'served: a packet of goim_max_packet bytes',
         [frame(WS_BINARY, $packet)],
         [binary(packet(1000, '')), closed(1000)]);
conforms($goim, 'served: the same in fragments of one byte',
         [fragments(WS_BINARY, $packet, 1)],
         [binary(packet(1000, '')), closed(1000)]);
conforms($goim, 'served: a message that is longer',
         [substr(frame(WS_BINARY, "$packet+"), 0, 8)], [closed(1009)],
         end => 0);
conforms($goim, 'served: as soon as its fragments are',
         [frame(WS_BINARY, $packet, fin => 0),
          substr(frame(0, '+', fin => 0), 0, 6)], [closed(1009)], end => 0);
counts($goim, 'closed_protocol', 2, 'which are counted');
