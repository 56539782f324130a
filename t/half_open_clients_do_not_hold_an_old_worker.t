# A worker that has to end by worker_shutdown_timeout does not wait for TCP
# clients that have not come far: without a PROXY header, in a TLS handshake,
# before their authentication.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 4;

use Test::Goim::Packet qw(packet);

my $goim = Test::Goim->new(
    workers => 1, main => 'worker_shutdown_timeout 1s;',
    http => 'goim_handover off; goim_drain 60s;', servers => <<'CONF');
server {
    listen 127.0.0.1:%%PORT_plain%%;
    goim_tcp /sub;
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_proxy%% proxy_protocol;
    goim_tcp /sub;
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_tls%% ssl;
    ssl_certificate %%DIR%%/cert.pem;
    ssl_certificate_key %%DIR%%/key.pem;
    goim_tcp /sub;
    %%locations%%
}
CONF

$goim->make_certificate->start;

my $auth = packet(7, '{"room_id":"live://1"}', seq => 1);

my $in = client('plain', $auth);
is(sysread($in, my $reply, 16), 16, 'one is in');

# TLS: nothing, the begin of a record, and what is none
my @open = (client('plain', ''), client('plain', substr($auth, 0, 20)),
            client('proxy', ''), client('tls', ''),
            client('tls', "\x16\x03\x01"));
my $wrong = client('tls', $auth);

is(scalar(grep { ends($_) } $wrong), 1, 'who speaks no TLS is ended at once');

$goim->reload;
is(scalar(grep { ends($_) } $in, @open), 6, 'all end with their worker');
ok(wait_until(10, undef, sub { !$goim->nginx->old_worker_pids }),
   'which is not held up');


sub client {
    my ($name, $data) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', Timeout => 10,
        PeerPort => $goim->nginx->extra_port($name)) or die "connect: $!";

    $socket->syswrite($data) if length($data);

    return $socket;
}


# Whether it does.
sub ends {
    my ($socket) = @_;

    while (1) {
        my $bits = '';
        vec($bits, fileno($socket), 1) = 1;
        return if select($bits, undef, undef, 60) < 1;
        return 1 if !sysread($socket, my $part, 4096);
    }
}
