# Text is UTF-8 (RFC 6455, 8.1; RFC 3629): characters may be cut anywhere,
# and what can't become one any more fails the connection with 1007 before
# another byte has arrived, in a frame that is not whole and in a fragment.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Packet qw(frame packet OP_HEARTBEAT OP_AUTH WS_TEXT WS_BINARY
                          WS_PING);

# of Markus Kuhn's test and RFC 3629

my @good = (
    ['Hello-µ@ßöäüàá-UTF-8!!', 'letters with accents'],
    ['κόσμε', 'Greek'], ['直播间弹幕', 'Chinese'],
    ["\0", 'U+0000'], ["\x7f", 'U+007F'],
    ["\xc2\x80", 'U+0080'], ["\xdf\xbf", 'U+07FF'],
    ["\xe0\xa0\x80", 'U+0800'], ["\xef\xbf\xbf", 'U+FFFF'],
    ["\xef\xbf\xbe", 'U+FFFE'], ["\xef\xbf\xbd", 'U+FFFD'],
    ["\xed\x9f\xbf", 'U+D7FF'], ["\xee\x80\x80", 'U+E000'],
    ["\xf0\x90\x80\x80", 'U+10000'], ["\xf4\x8f\xbf\xbf", 'U+10FFFF'],
    (map { my $plane = $_; map {
        my $bytes = pack('U0 U', $plane * 0x10000 + $_);
        utf8::encode($bytes) if utf8::is_utf8($bytes);
        [$bytes, sprintf('U+%X', $plane * 0x10000 + $_)]
    } 0xfffe, 0xffff } 1 .. 16),
);

# a good beginning, the bytes behind it, and how many of these it takes
my @bad = (
    ["\x80", 1, 'a continuation byte'], ["\xbf", 1, 'the last of these'],
    ["\x80\xbf", 1, 'two of them'],
    (map { [chr($_), 1, sprintf('0x%x', $_)] }
     0xc0, 0xc1, 0xf5 .. 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff),
    ["\xc2 ", 2, 'a space in a character of two bytes'],
    ["\xe2\x82 ", 3, 'in one of three'], ["\xe2 ", 2, 'or earlier'],
    ["\xf0\x90\x80 ", 4, 'in one of four'],
    ["\xf0\x90 ", 3, 'or earlier'], ["\xf0 ", 2, 'or even earlier'],
    ["\xc2\xc2\x80", 2, 'a character within another'],
    ["\xc0\xaf", 1, 'a slash in two bytes'],
    ["\xe0\x80\xaf", 2, 'in three'], ["\xf0\x80\x80\xaf", 2, 'in four'],
    ["\xf8\x80\x80\x80\xaf", 1, 'in five'],
    ["\xc1\xbf", 1, 'the last one to fit into one byte'],
    ["\xe0\x9f\xbf", 2, 'into two'], ["\xf0\x8f\xbf\xbf", 2, 'into three'],
    ["\xc0\x80", 1, 'U+0000 in two bytes'], ["\xe0\x80\x80", 2, 'in three'],
    ["\xed\xa0\x80", 2, 'the first surrogate'],
    ["\xed\xbf\xbf", 2, 'the last one'],
    ["\xed\xa0\x80\xed\xb0\x80", 2, 'a pair of them'],
    ["\xf4\x90\x80\x80", 2, 'U+110000'],
    ["\xf7\xbf\xbf\xbf", 1, 'U+1FFFFF'],
    ["\xf8\x88\x80\x80\x80", 1, 'U+200000'],
    ["\xfc\x84\x80\x80\x80\x80", 1, 'U+4000000'],
);

my @cut = (["\xce", 'two'], ["\xe1\xbd", 'three'], ["\xf0\x90\x80", 'four']);

require Test::Goim;
Test::Goim->import(tests => 3 * @good + 4 * @bad + 2 * @cut + 15);
require Test::Goim::FrameClient;
Test::Goim::FrameClient->import(qw(echo_host plain_host conforms counts text
                                   binary pong closed));

my $echo = echo_host();
my $begin = 'κόσμε';


# As fragments of one byte.
sub octets {
    my ($text) = @_;

    return (frame(WS_TEXT, '', fin => 0),
            map({ frame(0, $_, fin => 0) } split(//, $text)), frame(0, ''));
}

for my $case (@good) {
    my ($text, $name) = @$case;
    my $answer = [text($text), closed(1000)];

    conforms($echo, "$name is text", [frame(WS_TEXT, $text)], $answer);
    conforms($echo, 'byte by byte', [frame(WS_TEXT, $text)], $answer,
             by => 'bytes');
    conforms($echo, 'in fragments of one byte', [octets($text)], $answer);
}


# Whether a beginning that may become right is waited for, and one byte more
# is too much.
sub fails_fast {
    my ($name, $so_far, $byte) = @_;

    my $client = Test::Goim::FrameClient::open_on($echo);

    $client->send_alone($so_far, $echo->{other});

    return fail("$name, but before that") if $client->is_closed;

    $client->{close_sent} = 1;
    is($client->send_bytes($byte)->transcript, closed(1007) . ' eof', $name);
}

for my $case (@bad) {
    my ($bytes, $n, $name) = @$case;
    my $text = "$begin$bytes" . 'edited';
    my $at = length($begin) + $n - 1;

    conforms($echo, "$name is none", [frame(WS_TEXT, $text)],
             [closed(1007)]);
    conforms($echo, 'in fragments of one byte', [octets($text)],
             [closed(1007)]);

    # the rest of the frame, and of the message, is never sent
    my $frame = frame(WS_TEXT, $text);
    fails_fast('told within the frame',
               substr($frame, 0, 6 + $at), substr($frame, 6 + $at, 1));

    fails_fast('and within a fragment',
               frame(WS_TEXT, substr($text, 0, $at), fin => 0)
               . substr(frame(0, 'x' x 10, fin => 0, mask => "\0\0\0\0"),
                        0, 6),
               substr($text, $at, 1));
}

# the end of the message must be one of a character

for my $case (@cut) {
    my ($bytes, $name) = @$case;

    conforms($echo, "a character of $name bytes without the last",
             [frame(WS_TEXT, "$begin$bytes")], [closed(1007)]);
    conforms($echo, 'also in the last fragment',
             [frame(WS_TEXT, $begin, fin => 0), frame(0, $bytes, fin => 0),
              frame(0, '')], [closed(1007)]);
}

# a character may be cut by anything

my ($first, $second) = ("\xf0\x9f", "\x90\x98");

conforms($echo, 'a ping within a character',
         [frame(WS_TEXT, $first, fin => 0), frame(WS_PING, "\xff"),
          frame(0, $second)],
         [pong("\xff"), text("$first$second"), closed(1000)]);
conforms($echo, 'a message ends as one, and the next begins anew',
         [frame(WS_TEXT, $first, fin => 0), frame(0, $second),
          frame(WS_TEXT, 'a'), frame(WS_TEXT, $second)],
         [text("$first$second"), text('a'), closed(1007)]);

# bytes are no text

conforms($echo, 'bytes may be any', [frame(WS_BINARY, "\xff\x80$first")],
         [binary("\xff\x80$first"), closed(1000)]);
conforms($echo, 'also in fragments behind a text',
         [frame(WS_TEXT, 'a'), frame(WS_BINARY, "\xff", fin => 0),
          frame(0, $first, fin => 0), frame(0, '')],
         [text('a'), binary("\xff$first"), closed(1000)]);
conforms($echo, 'byte by byte',
         [frame(WS_TEXT, 'a'), frame(WS_BINARY, "\xff", fin => 0),
          frame(0, $first)],
         [text('a'), binary("\xff$first"), closed(1000)], by => 'bytes');

# long ones, at any place of what is read at once

my $long = $begin x 20_000;

conforms($echo, 'a long text', [frame(WS_TEXT, $long)],
         [text($long), closed(1000)]);
conforms($echo, 'with a fault at its end', [frame(WS_TEXT, "$long\xff")],
         [closed(1007)]);
conforms($echo, 'or in its middle', [frame(WS_TEXT, "$long\xff$long")],
         [closed(1007)]);
conforms($echo, 'in many fragments',
         [frame(WS_TEXT, '', fin => 0),
          map({ frame(0, $_, fin => 0) } unpack('(a777)*', $long)),
          frame(0, '')], [text($long), closed(1000)]);

# the module that is served: packets of goim's as text

my $goim = plain_host();

conforms($goim, 'served: a packet as text, if it is one',
         [frame(WS_TEXT, packet(OP_HEARTBEAT, ''))],
         [binary(packet(3, "\0\0\0\0")), closed(1000)]);
conforms($goim, 'served: one whose header is none',
         [frame(WS_TEXT, packet(OP_HEARTBEAT, '', seq => 0xff))],
         [closed(1007)]);
conforms($goim, 'served: the same in a binary frame',
         [frame(WS_BINARY, packet(OP_HEARTBEAT, '', seq => 0xff))],
         [binary(packet(3, "\0\0\0\0", seq => 0xff)), closed(1000)]);
conforms($goim, 'served: text that is none and no packet either',
         [frame(WS_TEXT, "\xff")], [closed(1007)]);
conforms($goim, 'served: before its end',
         [substr(frame(WS_TEXT, "\xff" x 100), 0, 7)], [closed(1007)],
         end => 0);

counts($goim, 'closed_protocol', 3, 'which is counted');
