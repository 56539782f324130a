# Two goim-job on a host: one holds the lane, the other waits and continues
# it, whether the first is killed or stopped.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 7;

my $goim = Test::Goim->new(
    workers => 1, http => 'goim_room live://* { backlog 64m; }')->start;
my @clients = $goim->connect_many(20, {
    numbers => 1, token => { room_id => 'live://1' } });


sub holder {
    my $lane = $goim->status->{lanes}[0];

    return $lane->{held} ? $lane->{pid} : 0;
}


my $count = 4000;
my $stream = $goim->stream('live://1', count => $count, rate => $count / 6);
my $second = $goim->add_job;

$second->start(ready => 0);
ok($goim->all_reach($count / 10, 20, @clients), 'a stream is under way');
is(holder(), $goim->job->pid, 'the first goim-job holds the lane');

$goim->job->kill9;
ok(wait_until(10, undef, sub { holder() == $second->pid }),
   'the second takes over when the first is killed');

$goim->job->start(ready => 0);
ok($goim->all_reach($count / 2, 20, @clients), 'the stream goes on');

$second->stop;
ok(wait_until(10, undef, sub { holder() == $goim->job->pid }),
   'the first, started again, takes over when the second is stopped');

$goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 20, @clients), 'the stream ends');
is_deeply($goim->faults(1, $count, @clients), [],
          'with each number once and in order');
