# goim's TCP protocol: the exchange byte for byte, in the same rooms as
# WebSocket clients, through nginx's access phases; HTTP on the same port and
# the PROXY protocol stay possible.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 20;

use Test::Goim::Packet qw(packet unhex);

my $goim = Test::Goim->new(
    workers => 1, http => 'goim_room live://* { backlog 64m; }',
    servers => <<'CONF')->start;
server {
    listen 127.0.0.1:%%PORT_tcp%% default_server;
    goim_tcp /sub;
    goim_max_packet 4112;
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_denied%% deferred;
    goim_tcp /denied;
    location = /denied { deny all; goim; goim_auth /auth; }
    location = /auth { internal; return 403; }
}
server {
    listen 127.0.0.1:%%PORT_gone%%;
    goim_tcp /nowhere;
    error_page 404 = /page;
    location = /page { return 200 'this is HTTP'; }
}
server {
    listen 127.0.0.1:%%PORT_checked%% deferred;
    goim_tcp /checked;
    location = /checked { auth_request /ask; goim; goim_identity key=a-key
                          room=live://1000 accepts=1000; }
    location = /ask { return 204; }
}
server {
    listen 127.0.0.1:%%PORT_proxy%% proxy_protocol;
    set_real_ip_from 127.0.0.1;
    real_ip_header proxy_protocol;
    goim_tcp /sub;
    %%locations%%
}
CONF

my $token = '{"mid":123, "room_id":"live://1000", "platform":"web",'
            . ' "accepts":[1000,1001,1002]}';

# the exchange (reference 2), one byte at a time

my $tcp = client('tcp');
say_slowly($tcp, unhex('00000062 0010 0001 00000007 00000001') . $token);
is(hear($tcp, 16), unhex('00000010 0010 0001 00000008 00000001'),
   'op 8 answers the auth packet');

say_to($tcp, unhex('00000010 0010 0001 00000002 00000001'));
is(hear($tcp, 20),
   unhex('00000014 0010 0001 00000003 00000001 00000001'),
   'op 3 the heartbeat');

my $asked = ($goim->auth->requests)[-1]{headers};
is($asked->{'x-goim-transport'}, 'tcp', 'the auth service is told of TCP');

my $ws = $goim->connect_ws->join_room('live://1000');
$goim->push_room('live://1000', 1000, 'hello');
$goim->push_room('live://1000', 1001, '{"test":1}');
is(hear($tcp, 47), unhex('00000015 0010 0001 000003e8 00000000 68656c6c6f')
   . unhex('0000001a 0010 0001 000003e9 00000000 7b2274657374223a317d'),
   'messages to the room, bare packets one behind the other');
is(join('|', map { $ws->next_body } 1 .. 2), 'hello|{"test":1}',
   'a WebSocket client of the room has them as well');
is($ws->heartbeat, 2, 'the room counts both');

my $total = $goim->status->{total};
is("$total->{connections} $total->{connections_tcp}", '2 1',
   'status tells them apart');

$goim->push_all(1002, 'all of you');
is(hear($tcp, 26), packet(1002, "all of you", seq => 0),
   'a message to all, without op 9');

say_to($tcp, packet(2, '', seq => $_), packet(12, 'live://2', seq => 9))
    for 1 .. 3;
is(length(hear($tcp, 3 * (20 + 24))), 3 * (20 + 24),
   'pipelined packets are all answered');

# numbers, many of them

my @many = map { client('tcp') } 1 .. 5;
for my $c (@many) {
    say_to($c, packet(7, '{"room_id":"live://7"}', seq => 1));
    hear($c, 16);
}
my $expected = join('', map { packet(1000, sprintf('%08d', $_), seq => 0) }
                            1 .. 2000);
$goim->stream('live://7', count => 2000, size => 8);
my @heard = map { hear($_, length($expected)) } @many;
is(scalar(grep { $_ eq $expected } @heard), 5,
   'a stream arrives whole and in order at each');

# input that breaks the protocol

for my $case (['a length below 16', '0000000f 0010 0001 00000002 00000001'],
              ['a header length other than 16',
               '00000010 0011 0001 00000002 00000001'],
              ['more than goim_max_packet',
               '00001011 0010 0001 00000002 00000001'])
{
    my $c = client('tcp');
    say_to($c, packet(7, $token, seq => 1));
    hear($c, 16);
    say_to($c, unhex($case->[1]));
    ok(ended($c), "$case->[0] closes");
}

# nginx's phases

ok(ended(client('denied')), 'deny ends it without a word');
ok(ended(client('gone')), 'so does a uri of no location, error_page or not');

my $checked = client('checked');
say_to($checked, packet(2, '', seq => 5));
is(substr(hear($checked, 20), 0, 16),
   unhex('00000014 0010 0001 00000003 00000005'),
   'auth_request and goim_identity let one in');

my $proxied = client('proxy');
say_to($proxied, "PROXY TCP4 192.0.2.7 192.0.2.8 1000 2000\r\n",
       packet(7, $token, seq => 1));
is(hear($proxied, 16), packet(8, '', seq => 1),
   'the PROXY protocol in front of it');
is(($goim->auth->requests)[-1]{headers}{'x-real-ip'}, '192.0.2.7',
   'and the client\'s address from it');

is($goim->nginx->port && $goim->status->{total}{unavailable}, 0,
   'HTTP goes on beside it');
my ($code, $text) = $goim->nginx_t(servers => <<'CONF');
server { listen 127.0.0.1:%%PORT_same%%; server_name one; }
server { listen 127.0.0.1:%%PORT_same%%; server_name two; goim_tcp /sub; }
CONF
like($text, qr/"goim_tcp" in a server that is not the default/,
     'a server behind another one on its port is refused');


sub client {
    my ($name) = @_;

    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1',
        PeerPort => $goim->nginx->extra_port($name)) || die "connect: $!";
}


sub say_to {
    my ($socket, @data) = @_;

    $socket->syswrite($_) for @data;

    return;
}


sub say_slowly {
    my ($socket, $data) = @_;

    $socket->setsockopt(6, 1, 1);
    say_to($socket, split(//, $data));

    return;
}


# So many bytes, or what there was before the end or the deadline.
sub hear {
    my ($socket, $n) = @_;

    my $got = '';
    my $deadline = time + 60;

    while (length($got) < $n && time < $deadline) {
        my $bits = '';
        vec($bits, fileno($socket), 1) = 1;
        next if select($bits, undef, undef, 0.1) < 1;
        last if !sysread($socket, $got, $n - length($got), length($got));
    }

    return $got;
}


sub ended {
    my ($socket) = @_;

    # a closing server may reset what it has not read
    return hear($socket, 1) eq '' && !defined(getpeername($socket))
        || hear($socket, 1) eq '';
}
