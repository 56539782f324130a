# A handshake that is none gets an answer in HTTP that says what would be
# right, where goim just closes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 52;

my $goim = Test::Goim->new(workers => 1, kafka => 0)->start;


sub answer {
    my (%opt) = @_;

    return $goim->connect_ws(%opt)->response;
}


my $plain = answer(headers => { Upgrade => undef, Connection => undef });
is($plain->{status}, 426, 'a plain GET: 426');
is($plain->{headers}{upgrade}, 'websocket', 'which names the protocol');
like($plain->{raw}, qr/^Connection: upgrade\r$/mi, 'as an upgrade');

my $old = answer(headers => { 'Sec-WebSocket-Version' => '8' });
is($old->{status}, 426, 'an older version: 426');
is($old->{headers}{'sec-websocket-version'}, '13', 'which names ours');

# headers in place of the right ones, or beside them
my $key = 'dGhlIHNhbXBsZSBub25jZQ==';
my @wrong = (
    [426, 'no version', 'Sec-WebSocket-Version' => undef],
    [426, 'a version that begins like ours',
     'Sec-WebSocket-Version' => '130'],
    [426, 'a list of versions', 'Sec-WebSocket-Version' => '13, 8'],
    [400, 'two versions', 'sec-websocket-version' => '13'],
    [400, 'no key', 'Sec-WebSocket-Key' => undef],
    [400, 'an empty key', 'Sec-WebSocket-Key' => ''],
    [400, 'a short key', 'Sec-WebSocket-Key' => 'c2hvcnQ='],
    [400, 'a long key', 'Sec-WebSocket-Key' => "AAAA$key"],
    [400, 'a key that is no base64', 'Sec-WebSocket-Key' => '*' x 24],
    [400, 'a key without its padding', 'Sec-WebSocket-Key' => 'A' x 24],
    [400, 'a key with half of it',
     'Sec-WebSocket-Key' => substr($key, 0, 23) . 'A'],
    [400, 'two keys', 'sec-websocket-key' => $key],
    [426, 'no Upgrade', Upgrade => undef],
    [426, 'another protocol', Upgrade => 'h2c'],
    [426, 'one that has ours in its name', Upgrade => 'websockets'],
    [426, 'no Connection', Connection => undef],
    [426, 'another option', Connection => 'keep-alive'],
    [426, 'one that has the right one in its name',
     Connection => 'no-upgrade'],
    [426, 'or begins with it', Connection => 'keep-alive, upgrades'],
    [426, 'words that are no list', Connection => 'keep-alive upgrade'],
);

for my $case (@wrong) {
    my ($status, $name, @headers) = @$case;
    is(answer(headers => { @headers })->{status}, $status,
       "$name: $status");
}

my $upgrade = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: $key\r\n";

my $post = answer(request => "POST /sub HTTP/1.1\r\n$upgrade\r\n");
is($post->{status}, 405, 'POST: 405');
is($post->{headers}{allow}, 'GET', 'which names GET');
is(answer(request => "PUT /sub HTTP/1.1\r\n$upgrade\r\n")->{status}, 405,
   'PUT: 405');
is(answer(request => "GET /sub HTTP/1.0\r\n$upgrade\r\n")->{status}, 400,
   'HTTP/1.0: 400');
is(answer(request => "GET /sub HTTP/1.1\r\n$upgrade"
                     . "Content-Length: 2\r\n\r\nab")->{status}, 400,
   'a body: 400');
is(answer(request => "GET /sub HTTP/1.1\r\n$upgrade"
                     . "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
       ->{status}, 400, 'a chunked one: 400');

my $errors = 7 + @wrong;

# what is right in any form

my @right = (
    ['a query', undef],
    ['other letters\' cases', Upgrade => 'WebSocket',
     Connection => 'UPGRADE'],
    ['a list of options', Connection => 'keep-alive, Upgrade'],
    ['a list in its own way', Connection => ",Upgrade\t ,\tkeep-alive , x"],
    ['a second Connection', connection => 'keep-alive'],
    ['a first one', CONNECTION => 'keep-alive'],
    ['a list of protocols', Upgrade => 'h2c, websocket'],
    ['an origin', Origin => 'http://else.where'],
    ['extensions and protocols',
     'Sec-WebSocket-Extensions' => 'permessage-deflate',
     'Sec-WebSocket-Protocol' => 'chat'],
);

for my $case (@right) {
    my ($name, @headers) = @$case;
    my $answer = answer(path => @headers > 1 ? '/sub' : '/sub?x=1',
                        headers => { @headers > 1 ? @headers : () });

    is($answer->{status}, 101, "$name: no error");
    is(join(' ', grep { /^sec-websocket-(extensions|protocol)/ }
            keys %{$answer->{headers}}), '',
       'and nothing is agreed upon besides');
}

my $first = answer(request => "GET /sub HTTP/1.1\r\n$upgrade\r\n");
is($first->{headers}{'sec-websocket-accept'}, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
   'the key of RFC 6455 has the answer of RFC 6455');
is(lc "$first->{headers}{upgrade} $first->{headers}{connection}",
   'websocket upgrade', 'with what an upgrade has');

is($goim->status->{total}{handshake_errors}, $errors,
   'each error is counted');
