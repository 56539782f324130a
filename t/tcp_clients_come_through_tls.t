# goim's TCP protocol through TLS: the whole exchange, bursts in both
# directions; a server name (SNI) chooses the locations, and clients that break
# off or stall in the handshake hold nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Test::Goim tests => 18;

use Test::Goim::Packet qw(packet unhex);

my $tls = <<'CONF';
ssl_certificate %%DIR%%/cert.pem;
    ssl_certificate_key %%DIR%%/key.pem;
CONF

my $goim = Test::Goim->new(workers => 1, http => <<'HTTP', servers => <<"CONF");
goim_room live://* { backlog 64m; }
HTTP
server {
    listen 127.0.0.1:%%PORT_tls%% ssl sndbuf=32k;
    goim_tcp /sub;
    $tls
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_named%% ssl default_server;
    server_name one;
    goim_tcp /sub;
    $tls
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_named%% ssl;
    server_name two;
    $tls
    location = /sub { goim; goim_identity key=by-name; }
}
server {
    listen 127.0.0.1:%%PORT_named%% ssl;
    server_name three;
    $tls
}
server {
    listen 127.0.0.1:%%PORT_short%% ssl;
    client_header_timeout 1s;
    goim_tcp /sub;
    $tls
    %%locations%%
}
CONF

$goim->make_certificate->start;


sub client {
    my ($port, %opt) = @_;

    return $goim->connect_tls($goim->nginx->extra_port($port), tcp => 1,
                              %opt);
}


# the exchange

my $tcp = client('tls')->join_room('live://1', key => 'k', accepts => [7]);
is($tcp->heartbeat, 1, 'authentication and heartbeats');
is(($goim->auth->requests)[-1]{headers}{'x-goim-transport'}, 'tcp',
   'the auth service is told of TCP');

$goim->push_room('live://1', 1000, 'hello');
is($tcp->next_body, 'hello', 'a message to the room');
$goim->push_keys(['k'], 7, 'to you');
is($tcp->next_body, 'to you', 'one to the key');
$goim->push_all(7, 'to all');
is($tcp->next_body, 'to all', 'one to all');
is($goim->status->{total}{connections_tcp}, 1, 'it counts as TCP');

# bursts

$tcp->send_bytes(join('', map { packet(2, '', seq => $_) } 1 .. 2000));
is_deeply([map { ($tcp->reply(3) || { seq => 'none' })->{seq} } 1 .. 2000],
          [1 .. 2000], '2000 heartbeats in one burst are answered in order');

my $numbers = client('tls', numbers => 1)->join_room('live://2');
$numbers->pause;
my ($count, $size) = (40, 50_000);
$goim->producer->wait_stream(
    $goim->stream('live://2', count => $count, size => $size));
wait_until(20, 'all to be read', sub {
    return $goim->status->{total}{records} >= $count;
});
$numbers->resume;
ok($goim->all_reach($count, 30, $numbers), '2 MB reach one that had paused');
is_deeply($goim->faults(1, $count, $numbers), [], 'without a fault');

$goim->kick(['k']);
is($tcp->expect_close, 'eof', 'a kick ends it');

# names

my $two = client('named', sni => 'two');
is(unpack('N', ($two->send_packet(2, '') && $two->reply(3))->{body}), 0,
   'a server name chooses another server\'s location');
is($goim->nginx->get('/goim/status?key=by-name')->{status}, 200,
   'and what stands there');
ok(client('named', sni => 'one')->join_room('live://3'),
   'the default server\'s name its own');
ok(client('named', sni => 'four')->join_room('live://3'),
   'so does a name that nobody has');
like(client('named', sni => 'three')->expect_close, qr/^(eof|reset)$/,
     'a server without the location ends it');

# who never gets through

my $hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
my @raw = map { raw($_) } '', substr($hello, 0, 3), $hello, packet(7, '{}'),
    "GET / HTTP/1.0\r\n\r\n";

is(scalar(grep { ends($_) } @raw), @raw,
   'who stalls in the handshake is ended by client_header_timeout');

my ($worker) = $goim->worker_pids;
my $fds = descriptors();

for my $bytes ('', substr($hello, 0, 3), $hello) {
    my $socket = raw($bytes);
    setsockopt($socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    close($socket);
}
ok(wait_until(20, undef, sub { descriptors() <= $fds }),
   'who resets in it leaves nothing behind');

my $again = client('short')->join_room('live://1');
is($again->heartbeat, 1, 'and others come in');


sub raw {
    my ($bytes) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', Timeout => 30,
        PeerPort => $goim->nginx->extra_port('short')) or die "connect: $!";
    $socket->syswrite($bytes) if length($bytes);

    return $socket;
}


sub ends {
    my ($socket) = @_;

    while (1) {
        my $bits = '';
        vec($bits, fileno($socket), 1) = 1;
        return if select($bits, undef, undef, 60) < 1;
        return 1 if !sysread($socket, my $part, 4096);
    }
}


sub descriptors { return scalar(my @all = glob("/proc/$worker/fd/*")) }
