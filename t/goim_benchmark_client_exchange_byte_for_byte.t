# What goim's benchmark client (Go, TCP) sends and expects, byte for byte:
# the first packet after its auth is taken for the reply, heartbeats have
# version 0, and every other packet counts as a message.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 7;

use Test::Goim::Packet qw(packet unhex);

my $goim = Test::Goim->new(workers => 1, servers => '%%TCP_SERVER%%')->start;

my $client = $goim->connect_tcp(raw => 1);
my $token = '{"mid":7,"key":"","room_id":"test://1","platform":"ios",'
            . '"accepts":[1000,1001,1002]}';

$client->send_bytes(unhex(sprintf('%08x', 16 + length $token)
                          . '0010 0001 00000007 00000000') . $token);
is(bytes(16), unhex('00000010 0010 0001 00000008 00000000'),
   'the auth\'s reply, alone');

for my $seq (1, 2) {
    $client->send_bytes(unhex("00000010 0010 0000 00000002 0000000$seq"));
    is(bytes(20), unhex("00000014 0010 0000 00000003 0000000$seq 00000001"),
       "heartbeat $seq is answered with its version and number");
}

$goim->push_room('test://1', 1000, 'hello');
is(bytes(21), unhex('00000015 0010 0001 000003e8 00000000') . 'hello',
   'a message is a bare packet');

$goim->push_all(1001, '{"test":1}');
is(bytes(26), unhex('0000001a 0010 0001 000003e9 00000000') . '{"test":1}',
   'so is one to all');

my ($asked) = $goim->auth->requests;
is($asked->{body}, $token, 'the token goes to logic as it is');

$client->send_bytes(packet(4, 'up', ver => 0, seq => 3));
is(bytes(16), unhex('00000010 0010 0000 00000004 00000003'),
   'an operation that does nothing comes back empty');


sub bytes {
    my ($n) = @_;

    wait_until(30, undef, sub { length $client->{in} >= $n });

    return substr($client->{in}, 0, $n, '');
}
