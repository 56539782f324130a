# What goim's own JavaScript client sends, and what it has to get: the bytes
# of goim's comet, as recorded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

use Test::Goim::Packet qw(frame unhex WS_BINARY);

my $goim = Test::Goim->new(workers => 1)->start;

# a browser's handshake; two others are in the room already

$goim->connect_many(2, { token => { room_id => 'live://1000' } });

my $client = $goim->connect_ws(raw => 1, headers => {
    'Origin' => 'http://example.com',
    'Sec-WebSocket-Extensions' =>
        'permessage-deflate; client_max_window_bits',
    'User-Agent' => 'Mozilla/5.0',
    'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==',
});
my $response = $client->response;

is($response->{line}, 'HTTP/1.1 101 Switching Protocols', 'upgraded');
is($response->{headers}{'sec-websocket-accept'},
   's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'the accept key is RFC 6455\'s');
ok(!exists $response->{headers}{'sec-websocket-extensions'},
   'no extension is agreed on');

my $auth = unhex(<<'HEX');
00000062 0010 0001 00000007 00000001
7b226d6964223a3132332c2022726f6f6d5f6964223a226c6976653a2f2f31303030222c2022
706c6174666f726d223a22776562222c202261636365707473223a5b313030302c313030312c
313030325d7d
HEX

$client->send_bytes(frame(WS_BINARY, $auth, mask => unhex('a1b2c3d4')));
is(unpack('H*', $client->bytes(18)),
   '8210' . '00000010001000010000000800000001', 'the auth reply');

$client->send_bytes(unhex('8290 37fa213d'
                          . '37fa212d37ea213c37fa213f37fa213c'));
is(unpack('H*', $client->bytes(22)),
   '8214' . '0000001400100001000000030000000100000003',
   'the heartbeat reply, with three in the room');

# both in one batch from Kafka to the client

my $producer = $goim->add_producer('goim-push-topic', 'linger.ms=200');
$producer->rooms(['live://1000', 1000, 'hello'],
                 ['live://1000', 1001, '{"test":1}']);

is(unpack('H*', $client->bytes(65)), '823f'
   . '0000003f001000010000000900000000'
   . '0000001500100001000003e80000000068656c6c6f'
   . '0000001a00100001000003e9000000007b2274657374223a317d',
   'a room push of two messages is one frame');

# the close of a browser that leaves

$client->send_bytes(unhex('8882 00000000 03e9'));
is(unpack('H*', $client->bytes(4)), '880203e9',
   'its close frame is answered by the same code');
is($client->expect_close, 'eof', 'and the connection ends');
