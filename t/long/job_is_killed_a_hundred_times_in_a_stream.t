# A hundred times goim-job is killed in the middle of a stream, sometimes with
# a second one standing by: no number is lost, none comes twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

BEGIN { $ENV{GOIM_TEST_LIMIT} ||= 1800 }

use Test::More;
use Test::Goim tests => 5;

use Time::HiRes qw(time);

my $seed = $ENV{GOIM_SEED} || int(rand(1e9));
srand($seed);

my $kills = $ENV{GOIM_KILLS} || 100;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           channel => 'size=64k lanes=2',
    http => 'goim_room live://* { backlog 64m; }',
                           topics => { 'goim-push-topic' => 4 })->start;
my @rooms = map { "live://$_" } 1 .. 6;
my $n = 0;
my @clients = $goim->connect_many(200, sub {
    return { numbers => 1, token => { room_id => $rooms[$n++ % @rooms],
                                      test => { heartbeat => 86400 } } };
});

my $stream = $goim->stream(\@rooms, count => 1e7, rate => 100, size => 50);
my @jobs = ($goim->job, $goim->add_job);

for my $kill (1 .. $kills) {
    my $until = time + rand(1.5);
    wait_until(5, undef, sub { time > $until });

    # the one that is killed, and at times the one that stands by as well
    for my $job (rand() < 0.3 ? @jobs : $jobs[rand @jobs]) {
        $job->kill9 if $job->alive;
    }

    # at least one runs again
    $_->alive || $_->start(ready => 0) for $jobs[rand @jobs];
    $jobs[0]->start(ready => 0) if !grep { $_->alive } @jobs;
}

for my $job (@jobs) {
    $job->start(ready => 0) if !$job->alive;
    $job->wait_ready;
}

cmp_ok($clients[0]->last_number, '>', 0, "killed $kills times (seed $seed)");
$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 60, @clients), "the end, $sent, reaches all");
is_deeply($goim->faults(1, $sent, @clients), [],
          'none is lost, none comes twice, all are in order');
is(scalar(grep { !$_->is_open } @clients), 0, 'no client was closed');

my $total = $goim->status->{total};
is($total->{records}, 2 * @rooms * $sent, 'each worker read each record once');
