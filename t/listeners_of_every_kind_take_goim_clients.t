# Whatever nginx can listen on, and with whatever options, goim clients of both
# transports are served there; and an address that speaks TCP leaves the others
# of its port to HTTP.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::IP;
use Test::More;
use Test::Goim;

my $ipv6 = IO::Socket::IP->new(LocalHost => '::1', Listen => 1) ? 1 : 0;

# name of a listener => what stands in "listen" for each transport, and where
# clients connect to
my @listeners = (
    ['a wildcard' => '%%PORT_TT_any%%', 'any'],
    ['another address of the wildcard' => undef, 'any', '127.0.0.2'],
    ['a unix socket' => 'unix:%%DIR%%/TT.sock', undef],
    ['deferred' => '127.0.0.1:%%PORT_TT_deferred%% deferred', 'deferred'],
    ['reuseport' => '127.0.0.1:%%PORT_TT_reuseport%% reuseport',
     'reuseport'],
    ['so_keepalive' => '127.0.0.1:%%PORT_TT_alive%% so_keepalive=30m::10',
     'alive'],
    ['backlog' => '127.0.0.1:%%PORT_TT_backlog%% backlog=64', 'backlog'],
    ['small buffers' => '127.0.0.1:%%PORT_TT_small%% sndbuf=4k rcvbuf=4k',
     'small'],
    ['bind' => '127.0.0.1:%%PORT_TT_bind%% bind', 'bind'],
    ['fastopen' => '127.0.0.1:%%PORT_TT_fast%% fastopen=16', 'fast'],
    $ipv6 ? (
        ['an IPv6 address' => '[::1]:%%PORT_TT_v6%%', 'v6', '::1'],
        ['the IPv6 wildcard' => '[::]:%%PORT_TT_v6only%% ipv6only=on',
         'v6only', '::1'],
        ['IPv6 with IPv4 inside' => '[::]:%%PORT_TT_v6both%% ipv6only=off',
         'v6both', '::1'],
        ['IPv4 inside of IPv6' => undef, 'v6both', '127.0.0.1'],
    ) : (),
);

Test::Goim->plan(2 * @listeners + 9);
diag('no IPv6 here: its listeners are not tested') if !$ipv6;

# one address of a port speaks TCP, another HTTP; with one socket and with two
my %shared = (one => '', bind => ' bind', deferred => ' deferred');

my $goim = Test::Goim->new(
    workers => 2, events => 'multi_accept on;',
    servers => join('', server('goim_tcp /sub;', listens('tcp')),
        server('server_name first;', listens('ws')),
        (map { (server('goim_tcp /sub;', "%%PORT_tcp_wild_$_%%$shared{$_}"),
                server('', "127.0.0.1:%%PORT_tcp_wild_$_%%"),
                server('', "%%PORT_http_wild_$_%%$shared{$_}"),
                server('goim_tcp /sub;', "127.0.0.1:%%PORT_http_wild_$_%%")) }
         sort keys %shared),
        server('server_name named; location = /named { goim; goim_auth /auth;'
               . ' }', map { s/ .*//r } grep { /_any/ } listens('ws'))),
)->start;

my @served;

for my $listener (@listeners) {
    my ($name, undef, @where) = @$listener;

    ok(enters('tcp', @where), "$name: TCP");
    ok(enters('ws', @where), "$name: WebSocket");
}

my $named = $goim->connect_ws(port => port('ws_any'), path => '/named',
                              headers => { Host => 'named' });
ok(joins($named), 'a server with another name on the port');
is($goim->connect_ws(port => port('ws_any'), path => '/named',
                     headers => { Host => 'first' })->response->{status},
   404, 'and only that one');

for my $kind (sort keys %shared) {
    my @clients = (
        $goim->connect_tcp(port => port("tcp_wild_$kind"),
                           host => '127.0.0.2'),
        $goim->connect_ws(port => port("tcp_wild_$kind")),
        $goim->connect_ws(port => port("http_wild_$kind"),
                          host => '127.0.0.2'),
        $goim->connect_tcp(port => port("http_wild_$kind")));

    is(scalar(grep { joins($_) } @clients), 4,
       "TCP and HTTP on one port, the wildcard's socket: $kind");
}

my (%worker, @more);
while (keys %worker < 2 && @more < 200) {
    push @more, $goim->connect_tcp(port => port('tcp_reuseport'));
    $more[-1]->auth({ room_id => 'live://2' });
    %worker = map { $_ => 1 }
        values %{$goim->nginx->worker_of_ports(port('tcp_reuseport'))};
}
is(keys %worker, 2, 'each worker takes from its own socket of "reuseport"');

# one push to all

my $count = $served[0]->heartbeat;
is($count, scalar @served, 'heartbeats are answered with the number of all');

$goim->push_room('live://1', 1000, 'hello');
is(scalar(grep { ($_->next_body || '') eq 'hello' } @served), $count,
   'a message to the room reaches every one');

$goim->reload;
my $again = $goim->connect_tcp(unix => $goim->dir . '/tcp.sock');
ok(joins($again), 'a reload takes the listeners along');


sub server {
    my ($what, @listens) = @_;

    return "server {\n" . join('', map { "listen $_;\n" } @listens)
        . "$what\n%%locations%%\n}\n";
}


sub listens {
    my ($transport) = @_;

    return map { s/TT/$transport/gr }
        grep { defined } map { $_->[1] } @listeners;
}


sub port { return $goim->nginx->extra_port($_[0]) }


sub enters {
    my ($transport, $port, $host) = @_;

    my %where = $port ? (port => port("${transport}_$port"), host => $host)
                      : (unix => $goim->dir . "/$transport.sock");

    return joins($transport eq 'tcp' ? $goim->connect_tcp(%where)
                                     : $goim->connect_ws(%where));
}


# Whether it is let in and hears an answer to its heartbeat.
sub joins {
    my ($client) = @_;

    eval { $client->join_room('live://1'); 1 } or return 0;
    push @served, $client;

    return $client->heartbeat ? 1 : 0;
}
