# Workers with goim clients go on being nginx: "stream" in front of anything,
# HTTP/2, keepalive and pipelined requests work while clients get a stream,
# which loses nothing by it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use Test::More;
use Test::Goim;

use Test::Goim::Util qw(slurp);

my $stream_module = Test::Goim->load_line('ngx_stream_module',
                                          '--with-stream');
my $streams = defined $stream_module ? 1 : 0;

Test::Goim->plan(13);

my $goim = Test::Goim->new(
    workers => 2, main => ($stream_module || '') . ($streams ? <<'MAIN' : ''),
stream {
    server {
        listen 127.0.0.1:%%PORT_told%%;
        return "stream on $server_port";
    }
    server {
        listen 127.0.0.1:%%PORT_to_http%%;
        proxy_pass 127.0.0.1:%%PORT%%;
    }
    server {
        listen 127.0.0.1:%%PORT_to_tcp%%;
        proxy_pass 127.0.0.1:%%PORT_tcp%%;
    }
    server {
        listen 127.0.0.1:%%PORT_to_proxied%%;
        proxy_pass 127.0.0.1:%%PORT_proxied%%;
        proxy_protocol on;
    }
}
MAIN
    server => <<'SERVER', servers => <<'SERVERS')->make_certificate->start;
keepalive_requests 1000;
        location = /page { return 200 "page $connection_requests\n"; }
SERVER
    %%TCP_SERVER%%
    server {
        listen 127.0.0.1:%%PORT_proxied%% proxy_protocol;
        goim_tcp /sub;
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_tls%% ssl http2;
        ssl_certificate %%DIR%%/cert.pem;
        ssl_certificate_key %%DIR%%/key.pem;
        location = /page { return 200 "page of $server_protocol\n"; }
        %%locations%%
    }
SERVERS

my @clients = (
    (map { $goim->connect_tcp(numbers => 1) } 1 .. 4),
    (map { $goim->connect_ws(numbers => 1) } 1 .. 4),
    $goim->connect_tls(port('tls'), numbers => 1),
    $streams ? ($goim->connect_ws(port => port('to_http'), numbers => 1),
                (map { $goim->connect_tcp(port => port($_), numbers => 1) }
                 qw(to_tcp to_proxied))) : ());

ok(scalar(grep { $_->join_room('live://1') } @clients) == @clients,
   'clients on all ways, one through TLS beside HTTP/2');

# all that follows goes on while numbers arrive; the test says when it is over

my $last = 0;
push_some();

SKIP: {
    skip('skipped: stream (libnginx-mod-stream is not installed)', 4)
        if !$streams;

    is(ask('told', ''), 'stream on ' . port('told'), 'stream answers');
    like(ask('to_http', "GET /page HTTP/1.0\r\n\r\n"), qr/^page 1$/m,
         'it proxies to HTTP');

    my $kept = $goim->nginx->worker_of_ports(port('to_tcp'));
    is(scalar keys %$kept, 1, 'and to goim');

    push_some();
    is(scalar(grep { ask('told', '') =~ /^stream/ } 1 .. 50), 50,
       'many connections');
}

# HTTP

push_some();

my $pipelined = '';
my $socket = connect_to($goim->port);
$socket->syswrite("GET /page HTTP/1.1\r\nHost: x\r\n\r\n" x 100);
$pipelined .= read_until($socket, qr/page 50\n/);
push_some();
$pipelined .= read_until($socket, qr/page 100\n/) if $pipelined !~ /page 100\n/;
is(join(' ', $pipelined =~ /^page (\d+)$/mg), join(' ', 1 .. 100),
   'pipelined requests are answered in order');

my @kept;
for my $n (101 .. 120) {
    $socket->syswrite("GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
    push @kept, read_until($socket, qr/^page \d+\n/m) =~ /^page (\d+)/m;
}
is("@kept", join(' ', 101 .. 120), 'and others after them on the connection');

# HTTP/2

push_some();

my $h2 = connect_h2(port('tls'));
my ($status, $body) = ask_h2($h2, 1, '/page');
is($status, 0x88, 'HTTP/2 is answered 200');
is($body, "page of HTTP/2.0\n", 'with its page');
($status) = ask_h2($h2, 3, '/sub');
is($status, 0x8c, 'goim refuses it by 400');
($status, $body) = ask_h2($h2, 5, '/page');
is($body, "page of HTTP/2.0\n", 'and the connection goes on');

# the stream is whole

push_some();

ok($goim->all_reach($last, 20, @clients), 'all clients have all numbers');
is_deeply($goim->faults(1, $last, @clients), [], 'without a fault');


sub port { return $goim->nginx->extra_port($_[0]) }


sub push_some {
    $goim->push_room('live://1', 1000, sprintf('%06d', ++$last)) for 1 .. 100;
}


sub connect_to {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $_[0]) || die "connect: $!";
}


# All that a server says to something, until it closes.
sub ask {
    my ($name, $text) = @_;

    my $asked = connect_to(port($name));
    $asked->syswrite($text) if length $text;

    return read_until($asked, undef);
}


# What arrives up to a match or the end, or the deadline; goim's clients are
# served meanwhile.
sub read_until {
    my ($from, $pattern) = @_;

    my $got = '';
    $from->blocking(0);

    wait_until(20, undef, sub {
        my $n = sysread($from, $got, 65536, length $got);
        return (defined $n && !$n)
            || (defined $pattern && $got =~ $pattern);
    });

    return $got;
}


# --- HTTP/2: as much as these questions need

sub connect_h2 {
    my ($port) = @_;

    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
        or die "socketpair: $!";

    push @{$goim->{tools_running}}, Test::Goim::Process->new(
        name => 's_client', dir => $goim->dir, stdio => $theirs,
        out => $goim->dir . '/s_client.err',
        argv => ['/usr/bin/openssl', 's_client', '-quiet', '-nocommands',
                 '-alpn', 'h2', '-connect', "127.0.0.1:$port"]);

    $ours->syswrite("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . h2_frame(4, 0, 0, ''));

    return { socket => $ours, in => '' };
}


sub h2_frame {
    my ($type, $flags, $id, $payload) = @_;

    return substr(pack('N', length $payload), 1)
        . pack('C C N', $type, $flags, $id) . $payload;
}


# The first byte of the answer's headers, the index of its status, and its
# body.
sub ask_h2 {
    my ($h2, $id, $path) = @_;

    # GET, https, the path and a host, without Huffman's code
    $h2->{socket}->syswrite(h2_frame(
        1, 5, $id, "\x82\x87" . pack('C C/a C C/a', 4, $path, 1, 'localhost')));

    my ($answer, $text) = (undef, '');
    $h2->{socket}->blocking(0);

    wait_until(20, undef, sub {
        my $n = sysread($h2->{socket}, $h2->{in}, 65536, length $h2->{in});
        return 1 if defined $n && !$n;

        while (length $h2->{in} >= 9) {
            my $length = unpack('N', "\0" . substr($h2->{in}, 0, 3));
            last if length $h2->{in} < 9 + $length;

            my ($type, $flags, $of)
                = unpack('C C N', substr($h2->{in}, 3, 6));
            my $payload = substr($h2->{in}, 9, $length);
            substr($h2->{in}, 0, 9 + $length, '');

            next if $of != $id;
            $answer = ord($payload) if $type == 1;
            $text .= $payload if $type == 0;
            return 1 if $type < 2 && $flags & 1;
        }

        return;
    });

    return ($answer, $text);
}
