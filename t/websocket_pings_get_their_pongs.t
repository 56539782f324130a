# Pings and pongs as RFC 6455 wants them (5.5.2, 5.5.3): every ping gets a pong
# with its payload, in order, at once; pongs that nobody asked for are nothing.
# In the echo as in the module that is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 29;

use Test::Goim::FrameClient qw(echo_host plain_host conforms text pong
                               closed);
use Test::Goim::Packet qw(frame WS_TEXT WS_PING WS_PONG);

my $binary = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
my $most = join('', map { chr($_ * 2 + 5) } 0 .. 124);
my @ten = map { "payload $_" } 0 .. 9;

my $echo = echo_host();

for my $host ($echo, plain_host()) {
    my $kind = $host == $echo ? 'echo' : 'served';

    conforms($host, "$kind: a ping without payload", [frame(WS_PING, '')],
             [pong(''), closed(1000)]);
    conforms($host, "$kind: one with a text", [frame(WS_PING, 'Hello')],
             [pong('Hello'), closed(1000)]);
    conforms($host, "$kind: one with bytes that are no text",
             [frame(WS_PING, $binary)], [pong($binary), closed(1000)]);
    conforms($host, "$kind: one with 125 bytes", [frame(WS_PING, $most)],
             [pong($most), closed(1000)]);
    conforms($host, "$kind: one with 125 bytes, one by one",
             [frame(WS_PING, $most)], [pong($most), closed(1000)],
             by => 'bytes');
    conforms($host, "$kind: one with 126 bytes is wrong",
             [frame(WS_PING, "$most+")], [closed(1002)]);
    conforms($host, "$kind: which its first two bytes tell",
             [substr(frame(WS_PING, "$most+"), 0, 2)], [closed(1002)],
             end => 0);
    conforms($host, "$kind: a pong", [frame(WS_PONG, '')], [closed(1000)]);
    conforms($host, "$kind: a pong with a payload", [frame(WS_PONG, 'so')],
             [closed(1000)]);
    conforms($host, "$kind: a pong, then a ping",
             [frame(WS_PONG, 'so'), frame(WS_PING, 'and so')],
             [pong('and so'), closed(1000)]);
    conforms($host, "$kind: ten pings", [map { frame(WS_PING, $_) } @ten],
             [map({ pong($_) } @ten), closed(1000)]);
    conforms($host, "$kind: ten pings, byte by byte",
             [map { frame(WS_PING, $_) } @ten],
             [map({ pong($_) } @ten), closed(1000)], by => 'bytes');
}

# a pong waits for nothing

my $client = Test::Goim::FrameClient::open_on($echo);

$client->send_frame(WS_TEXT, 'Hel', fin => 0);
ok($client->round_trip, 'a ping within a message is answered before its end');

$client->send_frame(0, 'lo');
$client->round_trip;
$client->{close_sent} = 1;
is($client->close_politely->transcript,
   join(' ', text('Hello'), closed(1000), 'eof'), 'which comes as it is');

# before authentication pongs wait, up to 64 KB of them

my $goim = Test::Goim->new(workers => 1, kafka => 0)->start;

$client = Test::Goim::FrameClient::open_on($goim, client => { mute => 1 });
$client->send_bytes(frame(WS_PING, $most) x 500);
$client->send_packet(7, '{}');
wait_until(10, 'the authentication', sub {
    return grep { /^binary/ } @{$client->{said} || []};
});
is(join(' ', @{$client->{said}}[0 .. 499]),
   join(' ', (pong($most)) x 500),
   'pings before authentication get their pongs behind it');
like($client->{said}[500], qr/^binary/, 'together with its answer');

$client = Test::Goim::FrameClient::open_on($goim, client => { mute => 1 });
$client->send_bytes(frame(WS_PING, $most) x 517);
is($client->transcript, join(' ', (pong($most)) x 516, closed(1013), 'eof'),
   'more of them end the connection, which is told behind the others');
