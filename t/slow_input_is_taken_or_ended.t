# Input that comes a byte at a time is understood like any other, on both
# protocols; input that stops half-way, or a client that is gone without a word,
# is ended by the timeout of the step that it has reached.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Test::Goim tests => 20;

use Test::Goim::Packet qw(packet parse_packets frame OP_AUTH OP_HEARTBEAT
                          WS_BINARY WS_PING);

my $locations = <<'CONF';
location = /patient { goim; goim_auth /auth; }
location = /hasty { goim; goim_auth /auth; goim_handshake_timeout 500ms; }
CONF
my $goim = Test::Goim->new(
    workers => 1, server => "client_header_timeout 1s; $locations",
    servers => join('', map { <<"CONF" } qw(patient hasty)))->start;
server {
    listen 127.0.0.1:%%PORT_$_%%;
    goim_tcp /$_;
    $locations
    location = /auth {
        internal;
        proxy_pass http://127.0.0.1:%%AUTH%%;
    }
}
CONF

my $upgrade = join("\r\n", 'Host: x', 'Upgrade: websocket',
                   'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
                   'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '');
my $auth = '{"room_id":"live://1","test":{"heartbeat":1}}';


# A socket, to be read blocking.
sub plain {
    my ($port) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $port) or die "connect: $@";
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);

    return $socket;
}


sub port { return $goim->nginx->extra_port($_[0]) }


# Sends bytes one by one, each in a segment of its own.
sub drip {
    my ($socket, $bytes) = @_;

    for my $byte (split(//, $bytes)) {
        syswrite($socket, $byte);
        select(undef, undef, undef, 0.001);
    }
}


# All until the end of the connection, or as much as is asked for.
sub read_to {
    my ($socket, $enough) = @_;

    my $in = '';

    while (!defined $enough || length $in < $enough) {
        my $bits = '';
        vec($bits, fileno($socket), 1) = 1;
        return if !select($bits, undef, undef, 30);
        last if !sysread($socket, $in, 65536, length $in);
    }

    return $in;
}


# a byte at a time

my $patient = '{"room_id":"live://1","test":{"heartbeat":600}}';

my $tcp = plain(port('patient'));
drip($tcp, packet(OP_AUTH, $patient, seq => 5)
           . packet(OP_HEARTBEAT, '', seq => 6)
           . packet(12, 'live://2', seq => 7));
my @replies = parse_packets(read_to($tcp, 16 + 20 + 24), 0);
is(join(' ', map { "$_->{op}:$_->{seq}" } @replies), '8:5 3:6 13:7',
   'tcp: packets that come byte by byte are answered');

my $ws = plain($goim->port);
drip($ws, "GET /patient HTTP/1.1\r\n$upgrade");
my $answer = '';
$answer .= read_to($ws, 1) while $answer !~ /\r\n\r\n/;
like($answer, qr/^HTTP\/1.1 101 /, 'websocket: so is a handshake');
drip($ws, frame(WS_BINARY, packet(OP_AUTH, $patient, seq => 5))
          . frame(WS_PING, 'ping')
          . frame(WS_BINARY, packet(OP_HEARTBEAT, '', seq => 6)));
my $in = read_to($ws, 2 + 16 + 2 + 4 + 2 + 20);
is(unpack('H4', $in), '8210', 'websocket: and the auth packet');
is(substr($in, 18, 6), "\x8a\x04ping", 'websocket: and a ping');
is(unpack('N', substr($in, 26 + 8, 4)), 3, 'websocket: and a heartbeat');

# what stops

my $total = sub { $goim->status->{total} };


# Where it stops, and which counter tells of its end.
my @cases = (
    ['half of the HTTP request', $goim->port,
     "GET /hasty HTTP/1.1\r\nHost: x\r\n", undef],
    ['no packet, tcp', port('hasty'), '', 'auth_timeout'],
    ['half of a header, tcp', port('hasty'), substr(packet(7, ''), 0, 9),
     'auth_timeout'],
    ['half of the token, tcp', port('hasty'),
     substr(packet(7, $auth), 0, 30), 'auth_timeout'],
    ['no packet, websocket', $goim->port,
     "GET /hasty HTTP/1.1\r\n$upgrade", 'auth_timeout'],
    ['half of the token, websocket', $goim->port,
     "GET /hasty HTTP/1.1\r\n$upgrade"
     . substr(frame(WS_BINARY, packet(7, $auth)), 0, 40), 'auth_timeout'],
    ['half of a packet of one let in, tcp', port('patient'),
     packet(7, $auth) . substr(packet(1000, 'x' x 50), 0, 40),
     'closed_timeout'],
    ['half of a frame of one let in, websocket', $goim->port,
     "GET /patient HTTP/1.1\r\n$upgrade"
     . frame(WS_BINARY, packet(7, $auth))
     . substr(frame(WS_BINARY, packet(1000, 'x' x 50)), 0, 30),
     'closed_timeout'],
    ['fragments without an end, websocket', $goim->port,
     "GET /patient HTTP/1.1\r\n$upgrade"
     . frame(WS_BINARY, packet(7, $auth))
     . frame(WS_BINARY, 'x' x 50, fin => 0), 'closed_timeout'],
);

for my $case (@cases) {
    my ($name, $port, $bytes, $counter) = @$case;

    my $before = $total->();
    my $socket = plain($port);
    syswrite($socket, $bytes) if length $bytes;

    ok(defined read_to($socket), "$name: ended");

    # who is told goodbye may answer for a while
    is($total->()->{$counter}, $before->{$counter} + 1,
       "$name: by its timeout") if $counter && $counter eq 'closed_timeout';
}

is($total->()->{auth_timeout}, 5, 'those not let in by goim_handshake_timeout');

# gone without a word: its end of the connection is never closed

my @gone = map { $goim->connect_ws(path => '/patient')->auth($auth),
                 $goim->connect_tcp(port => port('patient'))->auth($auth) }
    1 .. 3;
$_->pause for @gone;
my $count = @gone;
ok(wait_until(30, undef, sub { $total->()->{closed_timeout} == 3 + $count }),
   'who is silent is ended by its heartbeat');
ok(wait_until(30, undef, sub {
    my $now = $total->();
    return $now->{connections} == 2 && !$now->{handshaking};
}), 'and the patient ones are left');
