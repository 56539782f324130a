# Where the system never sends an offer of connections, or no new worker answers
# one, however many they are, the old worker serves its clients for a minute, and
# lets them go over goim_drain then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Handover qw(offer);

my $n = 20;


sub check {
    my ($goim, $name, @clients) = @_;

    $goim->push_room('live://1', 1000, 'here');
    is(scalar(grep { ($_->next_body || '') eq 'here' } @clients), $n,
       "$name: they are served meanwhile");

    wait_until(120, 'the old worker to let go', sub {
        return !grep { !$_->is_closed } @clients;
    });
    is(join(' ', map { $_->expect_close || '-' } @clients),
       join(' ', (1012) x $n), 'they are told to come again');
}


sub start {
    my ($method, @settings) = @_;

    my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 300ms;')
        ->$method(@settings);

    return ($goim, $goim->connect_many(
        $n, { token => { room_id => 'live://1' } }));
}


my ($goim, @clients) = start('start_refused', GOIM_TEST_OFFERS => 1e9);
$goim->reload(workers => 1);
check($goim, 'no offer goes', @clients);
is($goim->counted('handover_drained'), $n, 'and counted');
$goim->stop;

($goim, @clients) = start('start');
my (undef, @stopped) = offer($goim, 12, 0);
check($goim, 'twelve workers do not answer', @clients);
CORE::kill('CONT', @stopped);
wait_until(20, 'the old worker to end', sub {
    return !$goim->nginx->old_worker_pids;
});
$goim->nginx->expect_workers;
is($goim->counted('handover_drained'), $n, 'and counted');
