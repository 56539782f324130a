# With a real Apache Kafka: a stream goes through goim-job killed and the
# broker killed, and each client gets each number once and in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

my $goim = Test::Goim->new(kafka => 'real', workers => 2,
                           topics => { 'goim-push-topic' => 4 },
                           channel => 'size=256k lanes=2',
    http => 'goim_room live://* { backlog 64m; }');

plan(skip_all => 'skipped: Apache Kafka (mvn can\'t fetch it)')
    if !$goim->start_kafka;

Test::Goim->plan(6);
$goim->start;

my @rooms = map { "live://$_" } 1 .. 8;
my @clients = $goim->connect_many(40, sub {
    return { numbers => 1, token => { room_id => $rooms[$_[0] % @rooms] } };
});

my $rate = Test::Goim->sanitized ? 100 : 250;
my $stream = $goim->stream(\@rooms, count => 1e7, rate => $rate);

ok($goim->all_reach(2 * $rate, 30, @clients), 'a stream is under way');

for (1 .. 3) {
    my $next = $clients[0]->last_number + $rate;

    $goim->job->kill9;
    $goim->job->start;
    $goim->all_reach($next, 30, @clients);
}
pass('goim-job was killed three times');

$goim->kafka->down;
ok($goim->kafka->up, 'the broker is killed and starts again');

my $before = $clients[0]->last_number;
ok($goim->all_reach($before + 2 * $rate, 60, @clients), 'the stream goes on');

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream, 120);
ok($goim->all_reach($count, 60, @clients), 'the end reaches all clients');
is_deeply($goim->faults(1, $count, @clients), [],
          'none is lost, none comes twice, all are in order');
