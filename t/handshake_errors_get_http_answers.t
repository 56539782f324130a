# A handshake that is none gets an answer in HTTP that says what would be
# right, where goim just closes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 17;

my $goim = Test::Goim->new(workers => 1, kafka => 0)->start;


sub answer {
    my (%opt) = @_;

    return $goim->connect_ws(%opt)->response;
}


my $plain = answer(headers => { Upgrade => undef, Connection => undef });
is($plain->{status}, 426, 'a plain GET: 426');
is($plain->{headers}{upgrade}, 'websocket', 'which names the protocol');

my $old = answer(headers => { 'Sec-WebSocket-Version' => '8' });
is($old->{status}, 426, 'an older version: 426');
is($old->{headers}{'sec-websocket-version'}, '13', 'which names ours');

is(answer(headers => { 'Sec-WebSocket-Version' => undef })->{status}, 426,
   'no version: 426');
is(answer(headers => { 'Sec-WebSocket-Key' => undef })->{status}, 400,
   'no key: 400');
is(answer(headers => { 'Sec-WebSocket-Key' => 'c2hvcnQ=' })->{status}, 400,
   'a short key: 400');
is(answer(headers => { 'Sec-WebSocket-Key' => '*' x 24 })->{status}, 400,
   'a key that is no base64: 400');
is(answer(headers => { Upgrade => 'h2c' })->{status}, 426,
   'another protocol: 426');

my $upgrade = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    . "Sec-WebSocket-Version: 13\r\n"
    . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

my $post = answer(request => "POST /sub HTTP/1.1\r\n$upgrade\r\n");
is($post->{status}, 405, 'POST: 405');
is($post->{headers}{allow}, 'GET', 'which names GET');
is(answer(request => "GET /sub HTTP/1.0\r\n$upgrade\r\n")->{status}, 400,
   'HTTP/1.0: 400');
is(answer(request => "GET /sub HTTP/1.1\r\n$upgrade"
                     . "Content-Length: 2\r\n\r\nab")->{status}, 400,
   'a body: 400');

is(answer(path => '/sub?x=1')->{status}, 101, 'a query is no error');
is(answer(headers => { Upgrade => 'WebSocket',
                       Connection => 'keep-alive, upgrade' })->{status}, 101,
   'nor are other letters\' cases');
is(answer(headers => { Origin => 'http://else.where' })->{status}, 101,
   'nor is an origin');

is($goim->status->{total}{handshake_errors}, 10, 'each error is counted');
