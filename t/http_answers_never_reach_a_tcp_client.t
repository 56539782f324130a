# Whatever nginx would answer, a goim TCP client gets none of it; also not from
# a worker that was started after a reload had been refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Packet qw(packet);
use Test::Goim::Util qw(slurp);

my $servers = <<'CONF';
server {
    listen 127.0.0.1:%%PORT_page%%;
    goim_tcp /denied;
    error_page 403 /page;
    location = /denied { deny all; goim; goim_auth /auth; }
    location = /page { return 200 page; }
    location = /auth { return 200; }
}
server {
    listen 127.0.0.1:%%PORT_named%%;
    goim_tcp /denied;
    location = /denied { error_page 403 =200 @named; deny all; goim;
                         goim_auth /auth; }
    location @named { return 302 http://localhost/; }
    location = /auth { return 200; }
}
server {
    listen 127.0.0.1:%%PORT_proxied%%;
    goim_tcp /proxied;
    location = /proxied { proxy_pass http://127.0.0.1:%%PORT%%/goim/status; }
}
server {
    listen 127.0.0.1:%%PORT_closed%%;
    goim_tcp /closed;
    location = /closed { return 444; }
}
CONF

my @names = qw(page named proxied closed);
my $goim = Test::Goim->new(
    workers => 1, servers => $servers,
    http => 'log_format told "$server_port $status $request";'
            . ' access_log %%DIR%%/told.log told;')->start;

is(said_to_all(), '', 'error pages, redirects, proxied answers: nothing');

my @ports = map { $goim->nginx->extra_port($_) } @names;
my $told = wait_until(10, undef, sub {
    my $log = slurp($goim->dir . '/told.log');
    my @lines = sort grep { !/^\Q${\$goim->port}\E / } split(/\n/, $log);
    return @lines == 4 && join('|', @lines);
});
is($told, join('|', sort "$ports[0] 403 GET /denied",
               "$ports[1] 302 GET /denied", "$ports[2] 200 GET /proxied",
               "$ports[3] 444 GET /closed"),
   'the access log has the status');

# what a refused configuration leaves in the master is what workers begin with

my ($first) = $goim->worker_pids;
$goim->nginx->refused_reload(servers => <<'CONF');
server { listen 127.0.0.1:%%PORT_same%%; server_name one; }
server { listen 127.0.0.1:%%PORT_same%%; server_name two; goim_tcp /sub; }
CONF
$goim->kill_worker('KILL', 0);
is(said_to_all(), '', 'nor from a worker after a refused reload');

$goim->nginx->refused_reload(servers => <<'CONF');
server { listen 192.0.2.1:1; }
CONF
$goim->kill_worker('KILL', 0);
is(said_to_all(), '', 'whose configuration had no TCP');

isnt(($goim->worker_pids)[0], $first, 'it was another worker');


# What clients hear that do not speak.
sub said_to_all {
    return join('', map { said_to($_) } @names);
}


sub said_to {
    my ($name) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', Timeout => 10,
        PeerPort => $goim->nginx->extra_port($name)) or return "connect: $!";

    my $heard = '';
    1 while sysread($socket, $heard, 4096, length($heard));

    return $heard;
}
