# Where as much waits in a worker as may, broadcasts with a speed lose it: they
# go out at once, and their memory is free.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

my $goim = Test::Goim->new(workers => 1, listen => 'sndbuf=64k',
                           http => <<'HTTP')->start;
goim_max_pending 2m;
    goim_room deaf://* { backlog 64m; }
HTTP

my @clients = $goim->connect_many(200, { token => { accepts => [1000] } });

# 200 seconds each

$goim->push_all(1000, "slow $_", speed => 1) for 1 .. 3;
ok(wait_until(30, undef, sub { $goim->status->{total}{paced} == 3 }),
   'broadcasts with a speed are under way');
is($goim->status->{total}{paced_hurried}, 0, 'at their pace');

my $deaf = $goim->connect_ws(rcvbuf => 4096)->join_room('deaf://1');
$deaf->pause;
$goim->push_room('deaf://1', 1000, 'x' x 100_000) for 1 .. 40;

ok(wait_until(15, undef, sub { !grep { $_->waiting < 3 } @clients }),
   'they reach all when memory runs short');
is($goim->status->{total}{paced_hurried}, 3, 'as they lose their pace');

my @wrong = grep { join(' ', $_->bodies) ne 'slow 1 slow 2 slow 3' } @clients;
is(scalar @wrong, 0, 'in their order, once');
