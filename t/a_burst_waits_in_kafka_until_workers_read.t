# Workers that do not read, and a burst of many times what the channel
# holds: goim-job waits with it, what it keeps of it is bounded, and all is
# delivered later in order.  max_age drops what has become too old by then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

use Test::Goim::Util qw(slurp);

use List::Util qw(sum0);
use Time::HiRes qw(time);

my $count = 20_000;
my $goim = Test::Goim->new(
    workers => 2, listen => 'reuseport', channel => 'size=64k stall=120s',
    topics => { 'goim-push-topic' => 4 },
    http => 'goim_room live://* { backlog 64m; }')->start;
my @rooms = map { "live://$_" } 1 .. 8;
my $n = 0;
my @clients = $goim->connect_spread(8, sub {
    return { numbers => 1, token => { room_id => $rooms[$_[0] % 8],
                                      test => { heartbeat => 86400 } } };
});
my @workers = $goim->worker_pids;


# The memory that goim-job has had at the most, in KB.
sub peak {
    return slurp('/proc/' . $goim->job->pid . '/status') =~ /^VmHWM:\s+(\d+)/m
        && $1;
}


sub job { return $goim->status->{lanes}[0]{job} }


my ($stopped, $other) = map { scalar $goim->worker_of($_) } @clients[0, -1];
my @others = grep { $goim->worker_of($_) == $other } @clients;

kill('STOP', $stopped);

my $before = peak();
my $stream = $goim->stream(\@rooms, count => $count / 8, size => 60);

is($goim->producer->wait_stream($stream), $count / 8, 'Kafka takes a burst');

# the other worker gets what the channel holds, and then no more

my ($last, $since) = (-1, time);
wait_until(30, undef, sub {
    my $now = sum0(map { $_->count } @others);
    ($last, $since) = ($now, time) if $now != $last;
    return $now && time - $since > 1;
});
cmp_ok($last, '<', 2000 * @others / 8, 'goim-job waits with most of it');

# a sanitizer keeps what was freed for a while
cmp_ok(peak() - $before, '<',
       65_536 + 32_768 + (Test::Goim->sanitized ? 400_000 : 0),
       'and keeps no more than librdkafka and a lane may');

kill('CONT', $stopped);
ok($goim->all_reach($count / 8, 60, @clients), 'when all read, all comes');
is_deeply($goim->faults(1, $count / 8, @clients), [], 'in order');
is($goim->status->{total}{drop_missed}, 0, 'and none was missed');
ok(job()->{pauses}, 'the pause is counted');

# the same, with max_age

$goim->job->write_conf({ job => { max_age => '1s' } });
$goim->job->signal('HUP');
wait_until(20, 'the settings', sub {
    $goim->job->log_text =~ /settings read again/ });
$goim->push_value("\x08\x01\x10\x01\x2a\x08live://1\x3a\x01x",
                  ms => 1000 * int(time - 7200));
ok(wait_until(20, undef, sub { job()->{too_old} == 1 }),
   'with max_age what is too old is dropped and counted');

$last = $count / 8 + 1;
$goim->push_room($_, 1000, $last) for @rooms;
ok($goim->all_reach($last, 30, @clients), 'and what is not, comes');
is_deeply([map { $_->faults } @clients], [], 'in order');
