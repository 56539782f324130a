# A real Kafka of three brokers that is away when goim-job starts, gets a topic and
# partitions later, loses a broker and gets it back, and is away for a minute in
# the middle: each client gets each number once and in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

BEGIN { $ENV{GOIM_TEST_LIMIT} ||= 1200 }

use Test::More;
use Test::Goim;

use Time::HiRes qw(time);

my $away = $ENV{GOIM_KAFKA_AWAY} || 60;
my $goim = Test::Goim->new(
    kafka => 'real', brokers => 3, workers => 2,
    topics => { 'goim-push-topic' => 2 },
    job => { kafka => { topics => 'goim-push-topic,late-topic' },
             job => { partition_check => '1s' } },
    channel => 'size=256k lanes=2',
    http => 'goim_room live://* { backlog 64m; }');

plan(skip_all => 'skipped: Apache Kafka (mvn can\'t fetch it)')
    if !$goim->start_kafka;

Test::Goim->plan(13);

my $kafka = $goim->kafka;
my @rooms = map { "live://$_" } 1 .. 8;
my $sent = 0;


sub pass_time {
    my ($seconds) = @_;

    my $until = time + $seconds;
    wait_until($seconds + 5, undef, sub { time > $until });
}


# away at the start

$kafka->down;
$goim->start;

my @clients = $goim->connect_many(40, sub {
    return { numbers => 1, token => { room_id => $rooms[$_[0] % @rooms],
                                      test => { heartbeat => 86400 } } };
});

pass_time($away);
ok($goim->job->alive, "goim-job waits for a cluster that is away for $away s");
ok($kafka->up, 'then it is there');


# Streams go on where the last one ended.
sub stream {
    my (%opt) = @_;

    return $goim->stream(\@rooms, first => $sent + 1, rate => 200,
                         count => 1e7, %opt);
}


sub end_stream {
    my ($stream) = @_;

    $goim->producer->stop_streams;
    $sent += $goim->producer->wait_stream($stream, 240);

    return $goim->all_reach($sent, 60, @clients);
}


sub goes_on {
    my ($name) = @_;

    return ok($goim->all_reach($clients[0]->last_number + 400, 60, @clients),
              $name);
}


my $stream = stream();
goes_on('and a stream comes through it');

# one of three, twice: whoever leads a partition, it is among them

for my $broker (1, 2) {
    $kafka->kill_broker($broker);
    goes_on("it goes on without broker $broker");
    $kafka->up;
    goes_on('and with it');
}

# all of them

$kafka->down;
pass_time($away);
is(scalar(grep { !$_->is_open } @clients), 0,
   "no client notices that all are away for $away s");
$kafka->up;
goes_on('when they are back it goes on');
ok(end_stream($stream), 'to its end');

# a topic that goim-job was told of and that was not there

$kafka->set_topics('late-topic' => 2);
my $late = $goim->add_producer('late-topic');
$late->rooms(map { [$_, 1000, $sent + 1] } @rooms);
$sent++;
ok($goim->all_reach($sent, 60, @clients),
   'what a new topic begins with arrives');

# another two partitions, which a new producer sees at once

$kafka->set_topics('goim-push-topic' => 4);
my $wide = $goim->add_producer('goim-push-topic');
$wide->rooms(map { [$_, 1000, $sent + 1] } @rooms);
$sent++;
ok($goim->all_reach($sent, 60, @clients), 'so does that of new partitions');

is_deeply($goim->faults(1, $sent, @clients), [],
          'none is lost, none comes twice, all are in order');
