# Clients of both transports that leave before they are in - while they are
# delayed, asked about, mirrored, or followed by a post_action - leave nothing
# behind, nor does one that is not let in in time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Test::Goim tests => 6;
use Time::HiRes qw(sleep);

use Test::Goim::Packet qw(packet);

# what asks here is never answered
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128)
    or die "listen: $!";
my $nobody = 'proxy_pass http://127.0.0.1:' . $silent->sockport . ';'
             . ' proxy_read_timeout 2s;';

my $locations = <<"CONF";
location = /followed { goim; goim_auth /nobody; goim_handshake_timeout 300ms;
                       post_action /after; }
location = /delayed { limit_req zone=slow burst=100; goim;
                      goim_auth /nobody; }
location = /checked { auth_request /nobody; goim; goim_auth /nobody; }
location = /mirrored { mirror /nobody; goim; goim_identity mid=1; }
location = /nobody { internal; $nobody }
location = /after { internal; $nobody post_action off; }
CONF

my @names = qw(followed delayed checked mirrored);
my $servers = join('', map { <<"CONF" } @names);
server {
    listen 127.0.0.1:%%PORT_$_%%;
    goim_tcp /$_;
    $locations
}
CONF

my $goim = Test::Goim->new(
    workers => 1, server => $locations, servers => $servers,
    http => 'limit_req_zone $server_port zone=slow:64k rate=2r/s;')->start;

my $auth = packet(7, '{"room_id":"live://1"}', seq => 1);
my $upgrade = join("\r\n", 'Host: x', 'Upgrade: websocket',
                   'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
                   'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '');

for my $name (@names) {
    for my $sent ('', substr($auth, 0, 10), $auth) {
        for my $reset (0, 1) {
            leave(tcp($name, $sent), $reset);
            leave(ws($name, $sent), $reset);
        }
    }
}

# until the timers and the unanswered requests are over

ok(settled(), 'who closes or resets at once is no client');

my @stay = map { (tcp($_, $auth), ws($_, $auth)) } qw(followed checked);
sleep(1);
leave($_, 1) for @stay;
ok(settled(), 'nor is who does so a second later');

my @late = (tcp('followed', ''), tcp('followed', $auth),
            ws('followed', ''), ws('followed', $auth));
is(scalar(grep { ends($_) } @late), 4, 'who is not let in in time is ended');
ok(settled(), 'with all that belongs to it');

my $client = $goim->connect_ws->join_room('live://1');
$goim->push_room('live://1', 1000, 'hello');
is($client->next_body, 'hello', 'those that are in are served');
is($goim->status->{total}{connections}, 1, 'and are the only ones');


sub tcp {
    my ($name, $data) = @_;

    return said($goim->nginx->extra_port($name), $data);
}


sub ws {
    my ($name, $data) = @_;

    $data = "\x82\xfe" . pack('nN', length($data), 0) . $data
        if length($data);

    return said($goim->port, "GET /$name HTTP/1.1\r\n$upgrade$data");
}


sub said {
    my ($port, $data) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10)
        or die "connect: $!";

    $socket->syswrite($data) if length($data);

    return $socket;
}


sub leave {
    my ($socket, $reset) = @_;

    setsockopt($socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
    close($socket);

    return;
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


# Whether nothing is left of any connection, after some time.
sub settled {
    return wait_until(20, undef, sub {
        my $total = $goim->status->{total};
        return !grep { $total->{$_} }
            qw(connections connections_tcp handshaking rooms);
    });
}
