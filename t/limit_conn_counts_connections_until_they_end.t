# limit_conn counts connections of both transports after they have left their
# requests, until they end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 9;

use Test::Goim::Packet qw(packet);

my $goim = Test::Goim->new(workers => 1, http => <<'HTTP',
limit_conn_zone $binary_remote_addr zone=perip:64k;
HTTP
    location => 'limit_conn perip 3;', servers => '%%TCP_SERVER%%')->start;

my @two = $goim->connect_many(2, { token => { room_id => 'live://1' } });
my $tcp = tcp();
is(sysread($tcp, my $reply, 16), 16, 'two over WebSocket, one over TCP');

my $refused = $goim->connect_ws;
is($refused->response->{status}, 503, 'the fourth is refused by HTTP');

my $gone = tcp();
is(sysread($gone, $reply, 16) || 0, 0, 'or by its end');

$goim->push_room('live://1', 1000, 'hello');
is(join(' ', map { $_->next_body } @two), 'hello hello',
   'those that are in are served');

$two[0]->disconnect;
ok(enters(), 'one that ends makes room for one');

close($tcp);
ok(enters(), 'on TCP as well');

# what is refused for other reasons is not counted for ever

my $plain = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $goim->port);
$plain->syswrite("GET /sub HTTP/1.1\r\nHost: x\r\n\r\n");
my $answer = '';
while (sysread($plain, my $part, 4096)) {
    $answer .= $part;
}
like($answer, qr/^HTTP\/1.1 426 .*Connection: close/s,
     'a request that is no upgrade is not kept alive');
close($plain);
ok(enters(), 'nor counted any longer');

ok(wait_until(10, undef, sub { $goim->status->{total}{connections} == 1 }),
   'one is left');


sub tcp {
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', Timeout => 10,
        PeerPort => $goim->nginx->extra_port('tcp')) || die "connect: $!";

    $socket->syswrite(packet(7, '{"room_id":"live://1"}', seq => 1));

    return $socket;
}


# Somebody may connect, within some seconds; and leaves again.
sub enters {
    return wait_until(10, undef, sub {
        my $client = $goim->connect_ws;
        my $in = $client->response->{status} == 101;
        $client->disconnect;
        return $in;
    });
}
