# The service behind goim_auth gets the token and decides: who the client is,
# which room it is in, or that it is refused, and the client is told which.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 17;

use Test::Goim::Packet qw(OP_AUTH OP_HEARTBEAT);

my $goim = Test::Goim->new(
    workers => 1,
    locations => <<'CONF')->start;
location /sub { goim; goim_auth /auth; }
location /hasty { goim; goim_auth /auth; goim_handshake_timeout 1s; }
location = /auth {
    internal;
    proxy_pass http://127.0.0.1:%%AUTH%%/auth;
}
location /cookie {
    auth_request /identity;
    auth_request_set $key $upstream_http_x_goim_key;
    auth_request_set $room $upstream_http_x_goim_room;
    auth_request_set $accepts $upstream_http_x_goim_accepts;
    goim;
    goim_identity key=$key room=$room accepts=$accepts;
}
location = /identity {
    internal;
    proxy_pass http://127.0.0.1:%%AUTH%%/identity;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
}
location = /goim/status { goim_status; }
CONF


# The code by which a client with this token is closed.
sub closed_by {
    my ($test, %opt) = @_;

    return $goim->connect_ws(token => { test => $test }, %opt)->expect_close;
}


# what is asked

my $token = '{"mid":7,"key":"k7","room_id":"live://1","accepts":[1000]}';
my $client = $goim->connect_ws(headers => { Cookie => 'a=b' })->auth($token);
my ($request) = $goim->auth->requests;
my $headers = $request->{headers};

is("$request->{method} $request->{path}", 'POST /auth',
   'the location is asked by POST');
is($request->{body}, $token, 'with the token as body, byte for byte');
is($headers->{cookie}, 'a=b', 'the handshake\'s headers go with it');
ok(!grep({ /^(upgrade|sec-websocket-)/ } keys %$headers),
   'but not those of the upgrade');
is("$headers->{'x-goim-server'} $headers->{'x-goim-transport'}",
   'comet-1 websocket', 'and it tells where the client is');

# what the answer does

$goim->push_room('live://1', 2000, 'room');
$goim->push_keys(['k7'], 1001, 'not accepted');
$goim->push_keys(['k7'], 1000, 'accepted');
is_deeply([sort $client->next_body, $client->next_body],
          ['accepted', 'room'],
          'a client gets its room\'s messages, whatever it accepts, and its '
          . 'key\'s, if it accepts their operation');

my $moved = $goim->connect_ws->auth({
    room_id => 'live://1',
    test => { headers => { 'X-Goim-Room' => 'live://2' } } });
$goim->push_room('live://1', 1000, 'asked for');
$goim->push_room('live://2', 1000, 'decided');
is($moved->next_body, 'decided',
   'the room is the answer\'s, not the token\'s');

# what refuses

is(closed_by({ status => 403 }), 1008, 'refused by 403: policy');
is(closed_by({ status => 401 }), 1008, 'refused by 401: policy');
is(closed_by({ status => 500 }), 1013, 'anything else: try again later');
is(closed_by({ delay => 300 }, path => '/hasty'), 1013,
   'no answer in time: try again later');
like($goim->connect_ws(path => '/hasty')->expect_close, qr/^10(08|13)$/,
     'no auth packet in time: closed, with a word');

# before the answer

my $early = $goim->connect_ws;
$early->response;
$early->send_packet(OP_HEARTBEAT, '', seq => 3);
$early->send_packet(1000, 'x', seq => 4);
$early->send_packet(OP_AUTH, '{"room_id":"live://1"}', seq => 5);
my $reply = $early->next_packet;
is("$reply->{op} $reply->{seq}", '8 5',
   'packets before authentication are discarded');

# the other way: known by the handshake

my $known = $goim->connect_ws(path => '/cookie', headers => {
    Cookie => 'token=%7B%22key%22:%22kc%22,%22room_id%22:%22live://3%22%7D' });
is($known->response->{status}, 101, 'auth_request lets a cookie in');
$goim->push_room('live://3', 1000, 'known');
my $packet = $known->next_packet;
is($packet->{body}, 'known', 'goim_identity puts it into its room, unasked');
$known->auth('{}');
pass('an auth packet all the same is answered');

my $refused = $goim->connect_ws(path => '/cookie');
is($refused->response->{status}, 403, 'without the cookie: 403 as HTTP');
