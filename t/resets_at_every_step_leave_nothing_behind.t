# A reset at any step of a connection's life - half-way through the handshake,
# the auth packet, its answer, a frame, a message that logic is asked about,
# pushes that wait, the closing - ends this connection and leaves nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use feature qw(state);
use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Packet qw(packet frame OP_AUTH OP_HEARTBEAT WS_BINARY
                          WS_CLOSE WS_PING);

my $goim = Test::Goim->new(
    workers => 1, listen => 'sndbuf=16k', server => <<'CONF',
location = /full {
    goim;
    goim_auth /auth;
    goim_publish /publish;
}
location = /publish {
    internal;
    proxy_pass http://127.0.0.1:%%AUTH%%/publish;
}
CONF
    servers => <<'CONF')->start;
server {
    listen 127.0.0.1:%%PORT_tcp%%;
    goim_tcp /full;
    location = /full { goim; goim_auth /auth; goim_publish /publish; }
    location = /auth {
        internal;
        proxy_pass http://127.0.0.1:%%AUTH%%;
    }
    location = /publish {
        internal;
        proxy_pass http://127.0.0.1:%%AUTH%%/publish;
    }
}
CONF

my ($pid) = $goim->worker_pids;
my $json = JSON::PP->new->canonical;
my $other = $goim->connect_ws->join_room('live://1');


sub fds { return scalar(() = glob("/proc/$pid/fd/*")) }


sub token {
    my (%test) = @_;

    return $json->encode({ room_id => 'live://1',
                           test => { heartbeat => 600, %test } });
}


sub asked { return scalar grep { $_->{path} eq $_[0] } $goim->auth->requests }


# Waits until the service has been asked once more while something is done.
sub when_asked {
    my ($path, $what) = @_;

    my $before = asked($path);
    $what->();
    wait_until(10, "a request for $path", sub { asked($path) > $before });
}


# What happens to a new client before it is reset; parts are of what its
# protocol puts on the wire.
my %steps = (
    'nothing sent' => sub { },
    'half of the auth packet' => sub {
        my ($client, $wire) = @_;
        $client->send_bytes(substr($wire->(OP_AUTH, token()), 0, 30));
    },
    'asked about' => sub {
        my ($client, $wire) = @_;
        when_asked('/auth', sub {
            $client->send_bytes($wire->(OP_AUTH, token(delay => 0.2)));
        });
    },
    'just asked' => sub {
        my ($client, $wire) = @_;
        $client->send_bytes($wire->(OP_AUTH, token()));
    },
    'refused' => sub {
        my ($client, $wire) = @_;
        when_asked('/auth', sub {
            $client->send_bytes($wire->(OP_AUTH, token(status => 403)));
        });
    },
    'let in' => sub { $_[0]->auth(token()) },
    'half of a packet' => sub {
        my ($client, $wire) = @_;
        $client->auth(token());
        $client->send_bytes(substr($wire->(1000, 'x' x 100), 0, 40));
    },
    'a message asked about' => sub {
        my ($client, $wire) = @_;
        $client->auth(token());
        when_asked('/publish', sub {
            $client->send_bytes($wire->(4, '{"delay":0.2}')
                                . $wire->(OP_HEARTBEAT, '')
                                . substr($wire->(4, 'x' x 50), 0, 30));
        });
    },
    'pushes that wait' => sub {
        my ($client) = @_;
        $client->auth(token());
        $client->pause;
        $goim->push_room('live://1', 1000, 'x' x 10000) for 1 .. 20;
        $other->next_body for 1 .. 20;
    },
    'a new room' => sub {
        my ($client, $wire) = @_;
        $client->auth(token());
        $client->send_bytes($wire->(12, 'live://2'));
    },
    'closing' => sub {
        my ($client, $wire) = @_;
        $client->auth(token());
        $client->send_bytes($client->isa('Test::Goim::TcpClient')
                            ? pack('N n', 16, 17) . 'x' x 10
                            : frame(WS_CLOSE, pack('n', 1000)));
    },
    'a ping' => sub {
        my ($client) = @_;
        return if $client->isa('Test::Goim::TcpClient');
        $client->auth(token());
        $client->send_bytes(frame(WS_PING, 'x') . substr(frame(WS_PING, 'y'),
                                                         0, 3));
    },
);

my %connect = (
    websocket => sub {
        my $client = $goim->connect_ws(path => '/full', rcvbuf => 4096);
        $client->response;
        return $client;
    },
    tcp => sub { $goim->connect_tcp(rcvbuf => 4096) },
);

my %wire = (
    websocket => sub { frame(WS_BINARY, packet(@_)) },
    tcp => sub { packet(@_) },
);


sub settled {
    my $total;

    return 1 if wait_until(30, undef, sub {
        $total = $goim->status->{total};
        return $total->{connections} == 1 && $total->{rooms} == 1
               && !grep { $total->{$_} }
                  qw(connections_tcp handshaking closing uplinks);
    });

    diag(join(' ', map { "$_ $total->{$_}" }
              qw(connections connections_tcp handshaking closing uplinks
                 rooms)));
    return 0;
}


# a warm-up makes what stays: connections to the service

for my $round (0 .. 3) {
    state $before;

    for my $name (sort keys %connect) {
        for my $step (sort keys %steps) {
            my $client = $connect{$name}->();
            $steps{$step}->($client, $wire{$name});
            $client->reset;
        }
    }

    # half of the HTTP handshake
    for my $n (1, 20, 100) {
        $goim->connect_ws(request => substr(
            "GET /full HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            . "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", 0, $n))
            ->reset;
    }

    ok(settled(), "round $round: nothing is left") if $round;
    settled() if !$round;
    $before = fds() if !$round;
    ok(wait_until(10, undef, sub { fds() <= $before }),
       'with as many files open as before') if $round == 3;
}

$other->bodies;
$goim->push_room('live://1', 1000, 'end');
is($other->next_body, 'end', 'others are served');
is(scalar($goim->worker_pids), 1, 'by the worker');
