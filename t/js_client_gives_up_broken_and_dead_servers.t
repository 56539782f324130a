# The JavaScript client leaves, and tries anew, where a server says nothing any
# more or sends what is no packet; nothing that comes makes it fail itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 37;

use Test::Goim::FakeComet;
use Test::Goim::Packet qw(packet unhex);

my $goim = Test::Goim->new(workers => 1, kafka => 0, nginx => 0, auth => 0)
    ->start;

# what is no packet

my $comet = Test::Goim::FakeComet->new;
my $client = $goim->js_client(url => $comet->url, minDelay => 10,
                              maxDelay => 50);
my $push = packet(1000, 'hello', seq => 0);
my @broken = (
    ['', 'an empty message'],
    [unhex('000000100010'), 'part of a header'],
    [unhex('0000001000100001000003e8000000'), 'a header but for a byte'],
    [unhex('0000001400100001000003e800000000'), 'a length beyond the end'],
    [unhex('7fffffff00100001000003e800000000'), 'the largest length'],
    [unhex('ffffffff00100001000003e800000000'), 'a negative length'],
    [unhex('0000000f00100001000003e800000000'), 'a length below a header\'s'],
    [unhex('0000000000100001000003e800000000'), 'no length'],
    [unhex('0000001000110001000003e800000000'), 'another header length'],
    [$push . 'x', 'something behind a packet'],
    [$push . $push, 'two packets that nothing wraps'],
    [packet(9, 'x'), 'nothing whole in a batch'],
    [packet(9, $push . substr($push, 0, -1)), 'a batch that is cut off'],
    [packet(9, $push . unhex('00000000' x 4)), 'an end of zeros'],
    [packet(9, unhex('80000000') . substr($push, 4)), 'a batch of less'],
);

$client->ask('connect');

for my $case (@broken) {
    my ($bytes, $name) = @$case;
    my $server = $comet->next_client;

    $client->event('open');
    $server->send_message($bytes);

    my $close = $client->event('close');
    is("$close->{code} $close->{willReconnect} " . $server->close_code,
       '4001 1 4001', $name);
}

my $server = $comet->next_client;
$client->event('open');
$server->send_message('text', 1);
is($client->event('close')->{code}, 4001, 'a message of text');
is($client->event('error')->{code}, 'malformed', 'each is told as an error');
is($client->waiting('message'), 0, 'nothing is taken from what is broken');

$server = $comet->next_client;
$client->event('open');
$server->send_packet(3, 'abc', seq => $server->next_packet(2)->{seq});
is($client->event('close')->{code}, 4001, 'half an online count');

# what is odd but whole

$server = $comet->next_client;
$client->event('open');
$server->send_message(packet(9, ''));
$server->send_packet($_, 'late', seq => 4711) for 3, 5, 8, 13, 15, 17;
$server->send_packet(1000, 'bare', seq => 0);
$server->send_message(packet(9, packet(3, 'reply?', seq => 0) . $push));
is(join('|', map { $client->next_text } 1 .. 3), 'bare|reply?|hello',
   'replies that nobody waits for are left, pushes are taken as they come');

# a protocol error below the packets

$server->send_bytes(unhex('f200'));
is($client->event('close')->{willReconnect}, JSON::PP::true,
   'a frame that is none ends the connection');

# listeners that fail, and one that closes

$server = $comet->next_client;
$client->event('open');
$client->ask('blunder', 'message');
$server->send_message(packet(9, $push . $push));
is($client->event('uncaught')->{message}, 'message',
   'what a listener throws is not lost');
is($client->event('uncaught')->{message}, 'message', 'nor is what follows');
$client->next_text for 1 .. 2;
is($client->ask('state')->{value}, 'open', 'and the client goes on');

$client->ask('closeOn', 'message');
$server->send_message(packet(9, $push . $push));
$client->next_text;
$client->event('uncaught');
is($client->event('close')->{code}, 1000, 'a listener may close');
is($server->close_code, 1000, 'the server is told');
is($client->waiting('message'), 0, 'and the rest of a batch is not heard');
ok($client->ends_by_itself, 'nothing is left of it');

# who says nothing

my $deaf = Test::Goim::FakeComet->new(handshake => 0);
$client = $goim->js_client(url => $deaf->url, connectTimeout => 300,
                           minDelay => 10);
$client->ask('connect');
is($client->event('close')->{code}, 4002, 'a handshake without an answer');
$deaf->next_client;
ok($deaf->next_client, 'is tried again');
$client->ask('close');
ok($client->ends_by_itself, 'and given up as well');

my $silent = Test::Goim::FakeComet->new(answers => 0);
$client = $goim->js_client(url => $silent->url, connectTimeout => 300,
                           minDelay => 10);
$client->ask('connect');
is($client->event('close')->{code}, 4002, 'a token without an answer');
$server = $silent->next_client;
ok($server->has_ended && !$server->{close_code}, 'its connection is given up');
$client->ask('close');

$client = $goim->js_client(url => $comet->url, heartbeat => 50,
                           heartbeatTimeout => 400, minDelay => 10);
$client->connected;
$server = $comet->next_client;
$server->send_packet(3, pack('N', $_), seq => $server->next_packet(2)->{seq})
    for 1 .. 3;
is(join(' ', map { $client->event('online') } 1 .. 3), '1 2 3',
   'heartbeats go on while they are answered');
is($client->event('close')->{code}, 4000, 'one without an answer is an end');
ok($server->has_ended && !$server->{close_code},
   'which waits for nothing more from the server');
$client->event('open');
ok($comet->next_client, 'it comes back from that');
