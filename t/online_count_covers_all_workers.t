# A heartbeat's answer counts the room's members on all workers of the host,
# those of a worker that was killed not any longer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport')->start;

my @members = $goim->connect_spread(2, {
    token => { room_id => 'live://1' } });
my ($other) = $goim->connect_many(1, { token => { room_id => 'live://2' } });
my $n = @members;

my %workers = map { ($goim->worker_of($_))[0] => 1 } @members;
is(scalar keys %workers, 2, 'members on both workers');
is_deeply([map { $_->heartbeat } @members], [($n) x $n],
          'each is told of all');
is($other->heartbeat, 1, 'another room has its own');

(pop @members)->disconnect;
ok(wait_until(10, undef, sub { $members[0]->heartbeat == $n - 1 }),
   'one that leaves is not counted');

# a killed worker takes its members along

my $pid = ($goim->worker_of($members[0]))[0];
my @left = grep { ($goim->worker_of($_))[0] != $pid } @members;
$goim->allow_alerts(qr/exited on signal 9/);
$goim->kill_worker('KILL', $pid);

ok(@left, 'somebody is on the other worker');
ok(wait_until(10, undef, sub { $left[0]->heartbeat == @left }),
   'the dead are not counted any longer');
