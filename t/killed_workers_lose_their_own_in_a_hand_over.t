# In the middle of a hand-over: from a worker that does not answer, or is
# killed, the connections go back, and to another one; one that is killed when
# it has offered its connections loses none that arrive. Nobody is served by
# two workers, or by none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 12;

use Test::Goim::Handover qw(offer gave_up process_state);

my $goim = Test::Goim->new(workers => 1)->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(80, $member);

my $stream = $goim->stream('live://1', count => 1e7, rate => 100);
ok($goim->all_reach(20, 20, @clients), 'a stream is under way');


sub check {
    my ($what) = @_;

    $nginx->expect_workers;
    is(scalar(grep { $_->is_closed } @clients), 0, "$what: nobody is lost");

    my $reached = $clients[0]->last_number + 50;
    ok($goim->all_reach($reached, 20, @clients), 'the stream goes on');
}


# one of two stands still; what it has been offered is not its own any more

my ($old, $still) = offer($goim, 2, 1);
ok(wait_until(20, undef, sub { gave_up($goim) }), 'one does not answer');
CORE::kill('CONT', $still);
wait_until(20, 'the old worker to end', sub { !$nginx->old_worker_pids });
check('it does not take them later');

# one of two is killed with an offer before it

$goim->reload(workers => 1);
wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });

($old, $still) = offer($goim, 2, 1);
$nginx->allow_alerts("worker process $still exited on signal 9");
CORE::kill('KILL', $still);
wait_until(20, 'the old worker to end', sub { !$nginx->old_worker_pids });
wait_until(20, 'a successor', sub { $goim->worker_pids == 2 });
$nginx->expect_workers;
check('a killed one had none of them');

# the old one is killed; unless it was too late, what it has offered arrives

my $killed;

for my $try (1 .. 5) {
    $goim->reload(workers => 1);
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });

    my $before = gave_up($goim);
    ($old, $still) = offer($goim, 1, 0);
    CORE::kill('STOP', $old);
    wait_until(10, 'it to stand still', sub { process_state($old) eq 'T' });
    my $late = gave_up($goim) > $before;

    if ($late) {
        CORE::kill('CONT', $old, $still);
        next;
    }

    $nginx->allow_alerts("worker process $old exited on signal 9");
    CORE::kill('KILL', $old);
    CORE::kill('CONT', $still);
    wait_until(20, 'it to be gone', sub { process_state($old) eq '' });
    $killed = 1;
    last;
}
ok($killed, 'one is killed before its offer is answered');
check('the killed one had offered them');

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 20, @clients), 'all of the stream arrives');
is_deeply($goim->faults(undef, $count, @clients), [], 'once, and in order');
is($goim->status->{total}{connections}, 80, 'each is with one worker');
