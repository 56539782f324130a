# A burst of a million messages while a worker does not read: goim-job leaves it
# in Kafka, its memory stays bounded, and all is delivered later in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

BEGIN { $ENV{GOIM_TEST_LIMIT} ||= 1800 }

use Test::More;
use Test::Goim;
use Test::Goim::Util qw(slurp);

my $count = $ENV{GOIM_BURST} || 1_000_000;
my $goim = Test::Goim->new(
    kafka => 'real', workers => 2, listen => 'reuseport',
    topics => { 'goim-push-topic' => 4 },
    channel => 'size=1m lanes=2 stall=30m',
    http => 'goim_room live://* { backlog 256m; }');

plan(skip_all => 'skipped: Apache Kafka (mvn can\'t fetch it)')
    if !$goim->start_kafka;

Test::Goim->plan(7);
$goim->start;

my @rooms = map { "live://$_" } 1 .. 8;
my $each = $count / @rooms;
my @clients = $goim->connect_spread(8, sub {
    return { numbers => 1, token => { room_id => $rooms[$_[0] % @rooms],
                                      test => { heartbeat => 86400 } } };
});


# In KB: now, or at the most.
sub memory {
    my ($field) = @_;

    return slurp('/proc/' . $goim->job->pid . '/status')
        =~ /^\Q$field\E:\s+(\d+)/m && $1;
}


my $stopped = $goim->worker_of($clients[0]);
my $before = memory('VmRSS');

kill('STOP', $stopped);
my $stream = $goim->stream(\@rooms, count => $each, size => 100);
is($goim->producer->wait_stream($stream, 300), $each,
   'Kafka takes a million messages');

cmp_ok($clients[-1]->last_number, '<', $each / 2, 'most of which wait there');
kill('CONT', $stopped);

ok($goim->all_reach($each, 300, @clients), 'when all read, all comes');
is_deeply($goim->faults(1, $each, @clients), [], 'in order');

my $total = $goim->status->{total};
is($total->{drop_missed} + $total->{drop_backlog}, 0, 'none was dropped');

my $pauses = 0;
$pauses += $_->{job}{pauses} for @{$goim->status->{lanes}};
cmp_ok($pauses, '>', 0, 'the pauses are counted');

# what librdkafka may have queued, and the lanes; a sanitizer keeps what was freed
cmp_ok(memory('VmHWM') - $before, '<',
       65_536 + 49_152 + (Test::Goim->sanitized ? 400_000 : 0),
       'and goim-job has kept no more than it may');
