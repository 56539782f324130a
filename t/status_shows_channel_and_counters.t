# /goim/status is JSON: the channel, its lanes with their readers and what
# goim-job counts, and the workers' connections, deliveries and drops.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 16;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           channel => 'size=256k lanes=2',
                           topics => { 'goim-push-topic' => 2 })->start;

my $answer = $goim->nginx->get('/goim/status');
is($answer->{headers}{'content-type'}, 'application/json', 'it is JSON');

my $status = $goim->status;
is($status->{server_id}, 'comet-1', 'the server\'s id');
is($status->{channel}{size}, 256 * 1024, 'the size of a lane');
is(scalar @{$status->{lanes}}, 2, 'the lanes');
is_deeply([sort { $a <=> $b } map { $_->{pid} } @{$status->{workers}}],
          [$goim->worker_pids], 'the workers by pid');
is_deeply([map { scalar @{$_->{readers}} } @{$status->{lanes}}], [2, 2],
          'each lane has them as readers');
is_deeply([map { $_->{held} ? $_->{pid} : 0 } @{$status->{lanes}}],
          [($goim->job->pid) x 2], 'goim-job holds both lanes');

# what moves the counters

my @clients = $goim->connect_spread(2, {
    token => { room_id => 'live://1', key => undef, accepts => [1] } });
my $n = @clients;

is($goim->status->{total}{connections}, $n, 'connections are counted');
is($goim->status->{total}{auth_accepted}, $n, 'so is who was accepted');

$goim->push_room('live://1', 1000, 'x');
$goim->push_room('live://nobody', 1000, 'x');
$goim->push_all(2, 'nobody accepts this');
$goim->push_all(1, 'x');
$goim->push_value('no push at all');

$_->next_body for @clients, @clients;

my $total;
ok(wait_until(10, undef, sub {
    $total = $goim->status->{total};
    return $total->{delivered} == 2 * $n;
}), 'each delivery is counted');
is($total->{records}, 2 * 4, 'each worker read each record');
is($total->{drop_accepts}, $n, 'what nobody accepts is dropped, and counted');

my %job;
wait_until(10, 'goim-job to count', sub {
    %job = ();
    for my $lane (@{$goim->status->{lanes}}) {
        $job{$_} += $lane->{job}{$_} for keys %{$lane->{job}};
    }
    return $job{messages} == 5 && $job{records} >= 4;
});
is($job{records}, 4, 'goim-job counts what it publishes');
is($job{unreadable}, 1, 'and what it can\'t read');

$_->disconnect for @clients;
ok(wait_until(10, undef, sub { $goim->status->{total}{connections} == 0 }),
   'connections that end are counted down');
is($goim->status->{total}{closed_client}, $n, 'under their reason');
