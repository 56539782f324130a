# Closing as RFC 6455 wants it (5.5.1, 7): a close frame comes back with its
# code, or the connection fails for what is wrong in it; behind it nothing is
# answered, and the server ends the connection first.  In the echo as in the
# module that is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Packet qw(frame packet OP_HEARTBEAT WS_TEXT WS_BINARY WS_CLOSE
                          WS_PING);

my @valid = (1000 .. 1003, 1007 .. 1014, 3000, 3999, 4000, 4999);
my @invalid = (0, 1, 999, 1004 .. 1006, 1015, 1016, 1100, 2000, 2999, 5000,
               65535);

require Test::Goim;
Test::Goim->import(tests => 2 * (@valid + @invalid + 17) + 12);
require Test::Goim::FrameClient;
Test::Goim::FrameClient->import(qw(echo_host plain_host conforms counts text
                                   binary pong closed));


sub goodbye {
    my ($code, $reason) = @_;

    return frame(WS_CLOSE, pack('n', $code)
                 . (defined $reason ? $reason : ''));
}

my $echo = echo_host();
my $goim = plain_host();

for my $host ($echo, $goim) {
    my $kind = $host == $echo ? 'echo' : 'served';
    my ($message, $answer) = $host == $echo
        ? (frame(WS_TEXT, 'Hello'), text('Hello'))
        : (frame(WS_BINARY, packet(OP_HEARTBEAT, '')),
           binary(packet(3, "\0\0\0\0")));


    # A check of close frames as they are.
    my $ends = sub {
        my ($name, $parts, $expected, %opt) = @_;

        conforms($host, "$kind: $name", $parts, $expected, end => 0, %opt);
    };

    $ends->('a message before', [$message, goodbye(1000)],
            [$answer, closed(1000)]);
    $ends->('two close frames', [goodbye(1000), goodbye(1001)],
            [closed(1000)]);
    $ends->('a ping behind', [goodbye(1000), frame(WS_PING, '')],
            [closed(1000)]);
    $ends->('a message behind', [goodbye(1000), $message], [closed(1000)]);
    $ends->('what is no frame behind', [goodbye(1000), "\xff" x 100],
            [closed(1000)]);
    $ends->('within a message',
            [frame(WS_TEXT, 'begin', fin => 0), goodbye(1000),
             frame(0, 'rest')],
            [closed(1000)]);
    $ends->('byte by byte', [goodbye(1001, 'bye')], [closed(1001)],
            by => 'bytes');

    $ends->('no code', [frame(WS_CLOSE, '')], [closed(1000)]);
    $ends->('half a code', [frame(WS_CLOSE, "\x03")], [closed(1002)]);
    $ends->('a reason', [goodbye(1000, 'Hello World')], [closed(1000)]);
    $ends->('a long one', [goodbye(1000, '*' x 123)], [closed(1000)]);
    $ends->('one of 124 bytes', [goodbye(1000, '*' x 124)], [closed(1002)]);
    $ends->('one in Greek', [goodbye(1000, 'κόσμε')], [closed(1000)]);
    $ends->('one that is no UTF-8', [goodbye(1000, "κόσμε\xed\xa0\x80")],
            [closed(1007)]);
    $ends->('one that is cut within a character',
            [goodbye(1000, substr('κόσμε', 0, 5))], [closed(1007)]);
    $ends->('no UTF-8 behind a code that is none', [goodbye(1005, "\xff")],
            [closed(1002)]);
    $ends->('no mask', [frame(WS_CLOSE, pack('n', 1000), mask => undef)],
            [closed(1000)]);

    $ends->("$_", [goodbye($_)], [closed($_)]) for @valid;
    $ends->("$_ is none", [goodbye($_, 'Hello')], [closed(1002)])
        for @invalid;
}

# more than what is read at once, on either side

my $much = '*' x 262144;

conforms($echo, 'a message of 256 KB before, and a ping behind',
         [frame(WS_TEXT, $much), goodbye(1000), frame(WS_PING, '')],
         [text($much), closed(1000)], end => 0);
conforms($echo, 'a message of 256 KB behind',
         [goodbye(1000), frame(WS_TEXT, $much)], [closed(1000)], end => 0);
conforms($echo, 'much behind what is wrong',
         [frame(3, ''), frame(WS_TEXT, $much) x 20], [closed(1002)]);

# a server that closes first: another connection takes the key


my @takers;


# A client whose key was taken: it has got its close frame, and not answered.
sub replaced {
    my $client = Test::Goim::FrameClient::open_on(
        $goim, query => '?key=' . @takers, client => { mute => 1 });

    $client->round_trip;
    push @takers,
        Test::Goim::FrameClient::open_on($goim, query => '?key=' . @takers);
    wait_until(10, 'a close frame', sub { $client->{close_code} });

    return $client;
}

my $client = replaced();
$client->send_frame(WS_PING, 'not answered');
$client->send_frame(WS_BINARY, packet(OP_HEARTBEAT, ''));
$client->send_frame(WS_TEXT, 'neither');
$client->send_bytes(goodbye(1000));
is($client->transcript, closed(1008) . ' eof',
   'behind its close frame a server awaits nothing but the other one');

for my $answer ([frame(WS_CLOSE, ''), 'without a code'],
                [goodbye(1005), 'with a code that is none'],
                [goodbye(1000, "\xff"), 'with a reason that is none']) {
    $client = replaced();
    $client->send_bytes($answer->[0]);
    is($client->transcript, closed(1008) . ' eof', "also $answer->[1]");
}

$client = replaced();
$client->send_bytes(frame(3, ''));
is($client->transcript, closed(1008) . ' eof',
   'or what can not be understood');

$client = replaced();
is($client->transcript(15), closed(1008) . ' eof',
   'or a few seconds, if nothing comes');

# one that fails the connection, when the client goes on

$client = Test::Goim::FrameClient::open_on($goim, client => { mute => 1 });
$client->send_bytes(frame(3, ''));
$client->send_bytes('x' x 65536) for 1 .. 100;
is($client->transcript, closed(1002) . ' eof',
   'who sends on behind what is wrong is told what it was');

counts($goim, 'closed_replacement', scalar @takers,
       'who was replaced is counted as such');
counts($goim, 'connections', @takers + 1,
       'and no other connection is left');
