# A worker that may have few descriptors takes connections over as long as one
# in sixteen is left to it; the others are let go, and those that come by
# themselves are served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

use constant { CLIENTS => 120, FDS => 96 };

my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 1s;')->start;
my $nginx = $goim->nginx;
my $member = { token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(CLIENTS, $member);

$goim->reload(main => 'worker_rlimit_nofile ' . FDS . ';');
ok(wait_until(30, undef, sub { !$nginx->old_worker_pids }),
   'the old worker ends');

my ($pid) = $goim->worker_pids;
my $free = grep { !-l "/proc/$pid/fd/$_" } 0 .. FDS - 1;
cmp_ok($free, '>=', FDS / 16, 'some descriptors are left');

my $moved = $goim->status->{total}{moved_in};
cmp_ok($moved, '>', FDS / 2, 'the others are used');

is($goim->counted('handover_refused'), CLIENTS - $moved,
   'what does not fit is refused, and counted');
is($goim->counted('handover_drained'), CLIENTS - $moved, 'and let go');

wait_until(20, undef, sub {
    return CLIENTS - $moved == grep { $_->is_closed } @clients;
});
is_deeply([grep { $_ ne 1012 } map { $_->expect_close }
           grep { $_->is_closed } @clients], [], 'to come again');

my ($new) = $goim->connect_many(1, $member);
$goim->push_room('live://1', 1000, 'here');
is(scalar(grep { $_->next_body eq 'here' } grep { !$_->is_closed } @clients),
   $moved, 'who was taken is served');
is($new->next_body, 'here', 'and who comes');
