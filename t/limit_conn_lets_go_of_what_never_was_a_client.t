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

use Test::Goim::Http2;

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

my @open;
my @two = map {
    push @open, Test::Goim::Http2->new($goim->nginx->extra_port('two'));
    join(' ', map { $open[-1]->ask('/sub') } 0 .. 4);
} 1 .. 2;

is($two[0], '400 400 400 400 400',
   'requests one after another are not counted together');
is($two[1], '400 400 400 400 400', 'nor those of two connections');


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

