# What listens on UDP beside goim is nobody's of goim's: stream by UDP, and QUIC,
# whose port's TCP side may have goim's clients; goim_tcp on QUIC is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(MSG_DONTWAIT);
use Test::More;
use Test::Goim;

my $stream = Test::Goim->load_line('ngx_stream_module', '--with-stream');
my $quic = Test::Goim->load_line('-', '--with-http_v3_module');

plan(skip_all => 'skipped: stream and QUIC (not for this nginx)')
    if !defined $stream && !defined $quic;

Test::Goim->plan(7);

my $tls = <<'CONF';
ssl_certificate %%DIR%%/cert.pem;
        ssl_certificate_key %%DIR%%/key.pem;
CONF

my $goim = Test::Goim->new(
    workers => 1, main => defined $stream ? <<"MAIN" : '',
$stream
stream {
    server { listen 127.0.0.1:%%PORT_udp%% udp; return "by UDP"; }
}
MAIN
    servers => <<'TCP' . (defined $quic ? <<"QUIC" : ''));
%%TCP_SERVER%%
TCP
    server {
        listen 127.0.0.1:%%PORT_udpquic%% quic reuseport;
        listen 127.0.0.1:%%PORT_udpquic%% ssl;
        $tls
        %%locations%%
    }
QUIC

$goim->make_certificate->start;

my $tcp = $goim->connect_tcp->join_room('live://1');

SKIP: {
    skip('skipped: stream (libnginx-mod-stream is not installed)', 1)
        if !defined $stream;

    is(answer('udp', 'x'), 'by UDP', 'stream answers by UDP');
}

SKIP: {
    skip('skipped: QUIC (not in this nginx)', 4) if !defined $quic;

    # a first packet of a version that nobody has: what is had is told
    my $first = "\xc0" . pack('N', 0x1a2a3a4a) . "\x08abcdefgh\x08ijklmnop";
    my $told = answer('udpquic', $first . "\0" x (1300 - length $first));

    is(unpack('N', substr($told, 1, 4)), 0,
       'a QUIC listener negotiates its version');

    my $port = $goim->nginx->extra_port('udpquic');
    ok($goim->connect_tls($port)->join_room('live://1'),
       'WebSocket clients come in on the TCP side of its port');

    my ($exit, $text) = $goim->nginx_t(servers => <<"CONF");
server { listen 127.0.0.1:%%PORT_udpq%% quic; $tls goim_tcp /sub;
         %%locations%% }
CONF
    isnt($exit, 0, 'goim_tcp on QUIC is refused');
    like($text, qr/"goim_tcp" does not go with "http2" or "quic"/,
         'with words');
}

$goim->push_room('live://1', 1000, 'hello');
is($tcp->next_body, 'hello', 'goim clients are served beside it');
is($goim->status->{total}{closed_protocol}, 0, 'nothing else reached them');


# What comes back for a datagram, which may have to be sent again.
sub answer {
    my ($name, $bytes) = @_;

    my $socket = IO::Socket::INET->new(
        Proto => 'udp', PeerAddr => '127.0.0.1',
        PeerPort => $goim->nginx->extra_port($name)) or die "udp: $!";
    my $answer = '';

    wait_until(20, undef, sub {
        $socket->send($bytes);
        return defined $socket->recv($answer, 2000, MSG_DONTWAIT)
            && length $answer;
    });

    return $answer;
}
