# A push to a key that finds its connection's queue full closes it: what the
# same moment had brought for the connection's room is counted as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 2;

use List::Util qw(sum0);

my $goim = Test::Goim->new(
    workers => 1, listen => 'sndbuf=8k', channel => 'size=4m',
    http => 'goim_room live://* { backlog 64m; }')->start;
my $client = $goim->connect_ws(rcvbuf => 4096)->join_room(
    'live://1', key => 'k', accepts => [1000]);
my $pushes = 30;

# one batch: whether a worker reads it in one turn is up to it
$client->pause;
$goim->producer->send_commands(map {
    ('room live://1 1000 ' . unpack('H*', 'r' x 500),
     'keys - k 1000 ' . unpack('H*', 'k' x 5000))
} 1 .. $pushes);

my $total;
my @fates = qw(delivered drop_backlog drop_closed no_subscriber);

wait_until(20, undef, sub {
    $total = $goim->status->{total};
    return $total->{records} == 2 * $pushes
        && sum0(@$total{@fates}) == 2 * $pushes;
});

is($total->{closed_backlog}, 1, 'the connection is closed');
is(sum0(@$total{@fates}), 2 * $pushes, 'and all messages are accounted for')
    or diag(join(', ', map { "$_ $total->{$_}" } @fates));
