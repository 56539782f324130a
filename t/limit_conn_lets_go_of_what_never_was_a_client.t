# What limit_conn counts for a request that is not upgraded ends with it where
# its connection goes on, as on HTTP/2; where nothing is counted, connections
# are kept alive.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 3;

my $goim = Test::Goim->new(workers => 1,
    http => 'limit_conn_zone $binary_remote_addr zone=perip:64k;',
    servers => <<'CONF')->start;
server {
    listen 127.0.0.1:%%PORT_two%% http2;
    limit_conn perip 2;
    %%locations%%
}
CONF

my $socket = connection($goim->port);
is(join(' ', map { plain() } 1 .. 2), 'keep-alive keep-alive',
   'requests that are not limited leave their connection open');

SKIP: {
    # it writes at odd addresses, which sanitizers do not let pass
    skip('nginx\'s HTTP/2 does not run with sanitizers', 2)
        if Test::Goim->sanitized;

    # RFC 9113: the preface, empty settings, and requests whose HPACK needs no
    # table: :method GET, :scheme http, :path, :authority
    my @open;
    my @two = map {
        push @open, $socket;
        $socket = connection($goim->nginx->extra_port('two'));
        $socket->syswrite("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                          . frame(4, 0, 0, ''));
        join(' ', map { ask(2 * $_ + 1) } 0 .. 4);
    } 1 .. 2;

    is($two[0], '400 400 400 400 400',
       'requests one after another are not counted together');
    is($two[1], '400 400 400 400 400', 'nor those of two connections');
}


sub connection {
    my ($port) = @_;

    return IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10)
        || die "connect: $!";
}


# What becomes of the connection after a request that is no upgrade.
sub plain {
    $socket->syswrite("GET /sub HTTP/1.1\r\nHost: x\r\n\r\n");

    my $heard = '';
    while ($heard !~ /\r\n\r\n/) {
        sysread($socket, $heard, 4096, length($heard)) or return 'end';
    }

    return $heard =~ /^HTTP\/1.1 426 .*^Connection: (keep-alive|close)\r/ms && $1;
}


sub frame {
    my ($type, $flags, $stream, $data) = @_;

    return substr(pack('N', length($data)), 1)
        . pack('CCN', $type, $flags, $stream) . $data;
}


# The status that a request is answered with; nginx's HPACK has the common
# ones in its static table, others as a literal.
sub ask {
    my ($stream) = @_;

    $socket->syswrite(frame(1, 5, $stream, "\x82\x86\x04\x04/sub\x01\x01x"));

    my $status;

    while (1) {
        my ($type, $flags, $id, $data) = answer() or return 'end';

        if ($type == 1 && $id == $stream) {
            $status = status($data);
        }

        return $status if $id == $stream && $flags & 1;
    }
}


sub status {
    my ($data) = @_;

    my $first = ord($data);
    my %indexed = (0x88 => 200, 0x8c => 400, 0x8d => 404, 0x8e => 500);

    return $indexed{$first} || substr($data, 2, 3);
}


sub answer {
    my $head = more(9);
    return if length($head) < 9;

    my ($length, $type, $flags, $id) = unpack('NCCN', "\0$head");

    return ($type, $flags, $id, more($length));
}


sub more {
    my ($n) = @_;

    my $got = '';

    while (length($got) < $n) {
        sysread($socket, $got, $n - length($got), length($got)) or last;
    }

    return $got;
}
