# In a room with "overflow skip" a client that stops reading for a while finds
# the newest message when it goes on, even one that overflowed its backlog.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

my $goim = Test::Goim->new(workers => 1, listen => 'sndbuf=64k',
                           http => <<'HTTP')->start;
goim_room skip://* { backlog 256k; overflow skip; }
HTTP

# large messages, so that most of them overflow it

my ($count, $size) = (45, 100_000);
my $client = $goim->connect_ws(numbers => 1, rcvbuf => 4096);
$client->join_room('skip://1');
$client->pause;

my $stream = $goim->stream('skip://1', count => $count, size => $size,
                           rate => 100);
$goim->producer->wait_stream($stream);

ok(wait_until(10, undef, sub {
    return $goim->status->{total}{records} == $count;
}), 'the worker has all of them');
cmp_ok($goim->status->{total}{drop_backlog}, '>', $count / 2,
       'most are skipped');

$client->resume;
ok($goim->all_reach($count, 20, $client), 'the last one arrives');
is($client->count + $goim->status->{total}{drop_backlog}, $count,
   'got and skipped make all');
