# Fragments as RFC 6455 has them (5.4): they make one message, control frames
# may stand between them and are none themselves, and a message within
# another, or the rest of none, is wrong as soon as its header is there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 47;

use Test::Goim::FrameClient qw(echo_host plain_host conforms counts text
                               binary pong closed);
use Test::Goim::Packet qw(frame WS_TEXT WS_BINARY WS_PING WS_PONG WS_CLOSE);

my $echo = echo_host();


sub start { return frame(WS_TEXT, $_[0], fin => 0) }
sub more { return frame(0, $_[0], fin => 0) }
sub last_one { return frame(0, $_[0]) }


# The same check in all three ways of sending.
sub conforms_always {
    my ($name, $parts, $expected) = @_;

    conforms($echo, $name, $parts, $expected);
    conforms($echo, "$name, one after the other", $parts, $expected,
             by => 'parts');
    conforms($echo, "$name, byte by byte", $parts, $expected, by => 'bytes');
}

# control frames are whole

for my $host ($echo, plain_host()) {
    my $kind = $host == $echo ? 'echo' : 'served';

    for my $control (WS_PING, WS_PONG, WS_CLOSE) {
        conforms($host, "$kind: control frame $control as a fragment",
                 [frame($control, 'fragment', fin => 0), last_one('rest')],
                 [closed(1002)]);
    }
    conforms($host, "$kind: the rest of nothing",
             [last_one('non-continuation payload')], [closed(1002)]);
}

# fragments, and what may stand between them

conforms_always('two fragments', [start('fragment1'), last_one('fragment2')],
                [text('fragment1fragment2'), closed(1000)]);
conforms_always('a ping between them',
                [start('fragment1'), frame(WS_PING, 'ping payload'),
                 last_one('fragment2')],
                [pong('ping payload'), text('fragment1fragment2'),
                 closed(1000)]);
conforms_always('two pings and a pong among five',
                [start('1'), more('2'), frame(WS_PING, 'a'), more('3'),
                 frame(WS_PONG, 'x'), more('4'), frame(WS_PING, 'b'),
                 last_one('5')],
                [pong('a'), pong('b'), text('12345'), closed(1000)]);
conforms_always('empty ones', [start(''), more(''), last_one('')],
                [text(''), closed(1000)]);
conforms_always('one among empty ones',
                [start(''), more('middle'), more(''), last_one('')],
                [text('middle'), closed(1000)]);
conforms_always('bytes',
                [frame(WS_BINARY, "\xff", fin => 0), more("\x00"),
                 last_one("\xfe")],
                [binary("\xff\x00\xfe"), closed(1000)]);
conforms_always('text behind bytes and bytes behind text',
                [frame(WS_BINARY, "\xff", fin => 0), last_one("\xfe"),
                 start('a'), last_one('b'), frame(WS_BINARY, "\xfd"),
                 frame(WS_TEXT, 'c')],
                [binary("\xff\xfe"), text('ab'), binary("\xfd"), text('c'),
                 closed(1000)]);

# what is wrong

conforms_always('the rest of nothing, then a text',
                [last_one('rest'), frame(WS_TEXT, 'Hello')],
                [closed(1002)]);
conforms_always('more of nothing, then a text',
                [more('more'), frame(WS_TEXT, 'Hello')], [closed(1002)]);
conforms_always('more of a message that has ended',
                [start('a'), last_one('b'), more('c'),
                 frame(WS_TEXT, 'Hello')],
                [text('ab'), closed(1002)]);
conforms_always('a message within another',
                [start('fragment1'), frame(WS_TEXT, 'fragment2')],
                [closed(1002)]);

# as soon as the header is there

conforms($echo, 'a header is enough to see that it is the rest of nothing',
         [substr(last_one('rest'), 0, 6)], [closed(1002)], end => 0);
conforms($echo, 'or a message within another',
         [start('a'), substr(frame(WS_BINARY, 'b'), 0, 6)], [closed(1002)],
         end => 0);
conforms($echo, 'or too long, together with what came',
         [start('a' x 1000), pack('C C Q> N', 0, 0x80 | 127,
                                  16 * 1048576 - 999, 0)],
         [closed(1009)], end => 0);

# many

my $many = Test::Goim::sanitized() ? 40_000 : 200_000;
my @letters = map { chr(97 + $_ % 26) } 1 .. $many;

conforms($echo, "$many fragments of one byte, with pings",
         [start(''),
          (map { more($letters[$_]) . ($_ % 20_000 ? '' : frame(WS_PING, "$_"))
           } 0 .. $#letters), last_one('')],
         [(map { pong($_) } grep { $_ % 20_000 == 0 } 0 .. $#letters),
          text(join('', @letters)), closed(1000)], seconds => 60);

counts($echo, 'connections', 1,
       'but for the one beside, no connection is left');
is($echo->status->{total}{closed_error}, 0, 'none has ended for our own sake');
