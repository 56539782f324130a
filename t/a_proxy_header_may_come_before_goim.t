# "listen … proxy_protocol": the header that a load balancer sends first may
# have either version, come alone, with the first packet behind it, on goim_tcp
# also in parts, and in front of TLS; the client's address in it is the one
# that the auth service and the logs are told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket qw(AF_INET6 inet_aton inet_pton);
use Test::More;
use Test::Goim tests => 35;

use Test::Goim::Packet qw(packet);
use Test::Goim::Util qw(slurp);

my $realip = 'set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;';
my $tls = 'ssl_certificate %%DIR%%/cert.pem;'
    . ' ssl_certificate_key %%DIR%%/key.pem;';

my $goim = Test::Goim->new(
    workers => 1, http => <<'HTTP', servers => <<"SERVERS");
    log_format end '$goim_key $goim_transport $remote_addr '
                   '$proxy_protocol_addr:$proxy_protocol_port';
    goim_access_log %%DIR%%/end.log end;
HTTP
    server {
        listen 127.0.0.1:%%PORT_tcp%% proxy_protocol;
        listen 127.0.0.1:%%PORT_late%% proxy_protocol deferred;
        $realip
        goim_tcp /sub;
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_ws%% proxy_protocol;
        $realip
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_tcp_tls%% proxy_protocol ssl;
        $tls $realip
        goim_tcp /sub;
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_ws_tls%% proxy_protocol ssl;
        $tls $realip
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_hasty%% proxy_protocol;
        client_header_timeout 500ms;
        goim_tcp /sub;
        %%locations%%
    }
SERVERS

$goim->make_certificate->start;

my $v1 = "PROXY TCP4 192.0.2.7 192.0.2.8 1007 80\r\n";
my $v1_ip6 = "PROXY TCP6 2001:db8::7 2001:db8::8 1007 80\r\n";
my $v1_unknown = "PROXY UNKNOWN\r\n";
my $signature = "\r\n\r\n\0\r\nQUIT\n";
my $v2 = header_v2(0x21, 0x11, inet_aton('192.0.2.9') . inet_aton('192.0.2.8')
            . pack('n n', 1009, 80));
my $v2_ip6 = header_v2(0x21, 0x21, inet_pton(AF_INET6, '2001:db8::9')
                . inet_pton(AF_INET6, '2001:db8::8') . pack('n n', 1009, 80));
my $v2_more = header_v2(0x21, 0x11, inet_aton('192.0.2.9') . inet_aton('192.0.2.8')
                 . pack('n n', 1009, 80) . pack('C n/a', 4, 'x' x 60));
my $v2_local = header_v2(0x20, 0, '');

# the header and the first packet in one segment: name, header, the address

for my $case (['version 1', $v1, '192.0.2.7', 'tcp'],
              ['version 1, IPv6', $v1_ip6, '2001:db8::7', 'tcp'],
              ['version 1, UNKNOWN', $v1_unknown, '127.0.0.1', 'tcp'],
              ['version 2', $v2, '192.0.2.9', 'tcp'],
              ['version 2, IPv6', $v2_ip6, '2001:db8::9', 'tcp'],
              ['version 2, more values', $v2_more, '192.0.2.9', 'tcp'],
              ['version 2, LOCAL', $v2_local, '127.0.0.1', 'tcp'],
              ['version 1, deferred', $v1, '192.0.2.7', 'late'],
              ['version 1', $v1, '192.0.2.7', 'ws'],
              ['version 2', $v2, '192.0.2.9', 'ws'])
{
    my ($name, $header, $address, $where) = @$case;

    is(address_of(client($where, $header)), $address, "$where: $name");
}

# the header alone

for my $case (['tcp', $v1], ['tcp', $v2], ['ws', $v1]) {
    my ($where, $header) = @$case;

    my $client = client($where, $header, request => '');
    ok(taken($client), "$where: a header alone is taken");
    $client->send_bytes($client->handshake_text) if $where eq 'ws';
    like(address_of($client), qr/^192\.0\.2\./, 'and what follows it served');
}

# in parts

for my $case (['version 1', $v1], ['version 2', $v2],
              ['version 2, IPv6', $v2_ip6])
{
    my ($name, $header) = @$case;

    my $client = client('tcp', '');
    my $parts = 0;

    for my $byte (split(//, $header)) {
        $client->send_bytes($byte);
        $parts += taken($client) ? 1 : 0;
    }

    is($parts, length $header, "$name: every byte is taken by itself");
    like(address_of($client), qr/^(192|2001)/, 'and the client served');
}

my $cut = client('tcp', substr($v2, 0, 20));
taken($cut);
$cut->send_bytes(substr($v2, 20) . packet(7, '{"key":"cut"}', seq => 1)
                 . packet(2, '', seq => 2));
is(join(' ', map { $_ ? $_->{seq} : '-' } map { $cut->reply($_) } 8, 3),
   '1 2', 'packets in one segment with a header\'s end');

my $waits = client('hasty', 'PROXY TCP4 192.0');
is($waits->expect_close(30), 'eof',
   'what never becomes whole ends at client_header_timeout');

# what is no header

for my $case (['a packet' => packet(7, '{}', seq => 1)],
              ['HTTP' => "GET / HTTP/1.1\r\n\r\n"],
              ['an unknown protocol' => "PROXY UDP4 a b 1 2\r\n"],
              ['a line without an end' => 'PROXY TCP4 ' . '1' x 200],
              ['an unknown version' => "${signature}\x31\x11\0\0"],
              ['too much' => "${signature}\x21\x11\xff\xff"],
              ['too little for addresses' => header_v2(0x21, 0x11, 'short')])
{
    my ($name, $bytes) = @$case;

    like(client('tcp', $bytes)->expect_close || '', qr/^(eof|reset)$/,
         "$name closes");
}

# TLS behind it

for my $where ('tcp_tls', 'ws_tls') {
    my $client = $goim->connect_tls(port($where), preface => $v1,
                                    tcp => $where eq 'tcp_tls');

    is(address_of($client), '192.0.2.7', "$where: TLS behind it");
}

my @lines = sort split(/\n/, slurp($goim->dir . '/end.log'));
my @wrong = grep { !/ (tcp|websocket) (\S+) (?:\2:10\d\d|-?:-?0?)$/
                   && !/ 127\.0\.0\.1 / } @lines;
is(join('|', @wrong), '', 'no line of goim_access_log has another address');
ok(@lines >= 18, 'each connection has one');


sub header_v2 {
    my ($command, $family, $addresses) = @_;

    return $signature . pack('C C n/a', $command, $family, $addresses);
}


sub port { return $goim->nginx->extra_port($_[0]) }


sub client {
    my ($where, $preface, %opt) = @_;

    my %all = (port => port($where), preface => $preface, %opt);

    return $where eq 'ws' ? $goim->connect_ws(%all)
                          : $goim->connect_tcp(%all);
}


my $made;

# Joins a room, gets a message, is kicked: the address that the auth service was
# told, or what is wrong.
sub address_of {
    my ($client) = @_;

    my $key = 'client-' . ++$made;
    eval { $client->join_room("live://$made", key => $key); 1 }
        or return "refused: $@";
    my ($asked) = grep { $_->{body} =~ /"\Q$key\E"/ } $goim->auth->requests;

    $goim->push_room("live://$made", 1000, $key);
    return 'no message' if ($client->next_body || '') ne $key;

    $goim->kick([$key]);
    my $line = wait_until(20, undef, sub {
        return (grep { /^\Q$key\E / } split(/\n/,
                                            slurp($goim->dir . '/end.log')))[0];
    }) || '';

    my $address = $asked->{headers}{'x-real-ip'};

    return $line =~ / \Q$address\E / ? $address : "$address, but $line";
}


# Waits until the server has read all that this client has sent.
sub taken {
    my ($client) = @_;

    my $ours = sprintf(':%04X', $client->local_port);
    my $theirs = sprintf(':%04X', $client->{port});

    return wait_until(10, undef, sub {
        my @ends = map { [split(' ', $_)] }
            grep { /$ours / && /$theirs / }
            split(/\n/, slurp('/proc/net/tcp'));

        return !length $client->{out} && @ends == 2
            && !grep { $_->[4] ne '00000000:00000000' } @ends;
    });
}
