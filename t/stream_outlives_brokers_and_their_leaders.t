# Brokers go down and come up, and partitions change their leaders: the
# stream waits and goes on, each number once and in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

my $goim = Test::Goim->new(
    workers => 1, brokers => 3, topics => { 'goim-push-topic' => 2 },
    http => 'goim_room live://* { backlog 64m; }',
    job => { kafka => { 'reconnect.backoff.ms' => 50,
                        'reconnect.backoff.max.ms' => 500 } })->start;
my @rooms = map { "live://$_" } 1 .. 4;
my $n = 0;
my @clients = $goim->connect_many(8, sub {
    return { numbers => 1, token => { room_id => $rooms[$n++ % 4] } };
});

my $stream = $goim->stream(\@rooms, count => 1e7, rate => 500);
ok($goim->all_reach(200, 20, @clients), 'a stream is under way');

for my $partition (0, 1) {
    $goim->kafka->command("leader goim-push-topic $partition $_") for 1 .. 3;
}
ok($goim->all_reach($clients[0]->last_number + 400, 30, @clients),
   'it goes on with other leaders');

my $job_log = length $goim->job->log_text;
$goim->kafka->down($_) for 1 .. 3;
ok(wait_until(20, undef, sub {
    return substr($goim->job->log_text, $job_log) =~ /\[warn\].*/;
}), 'goim-job says that the brokers are down');

my $before = $clients[0]->last_number;
$goim->kafka->up($_) for 1 .. 3;
ok($goim->all_reach($before + 400, 30, @clients),
   'when they are up, it goes on');
$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 40, @clients), 'to its end');
is_deeply($goim->faults(1, $count, @clients), [],
          'each number once and in order');
