# Where the system never sends an offer of connections, the old worker serves
# them for a minute, and lets them go over goim_drain then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Test::Goim tests => 3;

my $n = 20;
my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 300ms;')
    ->start_refused(GOIM_TEST_OFFERS => 1e9);
my @clients = $goim->connect_many($n, { token => { room_id => 'live://1' } });

$goim->reload(workers => 1);
$goim->push_room('live://1', 1000, 'here');
is(scalar(grep { ($_->next_body || '') eq 'here' } @clients), $n,
   'they are served meanwhile');

wait_until(120, 'the old worker to end', sub {
    return !$goim->nginx->old_worker_pids;
});
is(join(' ', map { $_->expect_close || '-' } @clients),
   join(' ', (1012) x $n), 'they are told to come again');
is($goim->counted('handover_drained'), $n, 'and counted');
