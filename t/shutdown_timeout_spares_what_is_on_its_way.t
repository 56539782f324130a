# worker_shutdown_timeout ends while connections are offered to a worker that
# does not answer: they come back, and go to another one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

use Test::Goim::Handover qw(offer gave_up);

my $goim = Test::Goim->new(workers => 1,
    main => 'worker_shutdown_timeout 700ms;',
    http => 'goim_drain 100ms;')->start;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(20, $member);

my $stream = $goim->stream('live://1', count => 1e7, rate => 100);
ok($goim->all_reach(20, 20, @clients), 'a stream is under way');

my ($old, $still) = offer($goim, 2, 1);
wait_until(20, 'one not to answer', sub { gave_up($goim) });
wait_until(20, 'the old worker to end', sub {
    return !$goim->nginx->old_worker_pids });
CORE::kill('CONT', $still);
$goim->nginx->expect_workers;

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 20, @clients), 'all of it arrives');
is_deeply($goim->faults(undef, $count, @clients), [], 'once, and in order');
is(scalar(grep { $_->is_closed } @clients), 0, 'and nobody is closed');
