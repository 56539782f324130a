# An hour, or SOAK_MINUTES, of faults, reloads, pushes and clients that come and
# go: all processes end with the memory that they had, nothing is left behind,
# and all counts agree.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

my $minutes;

BEGIN {
    $minutes = $ENV{SOAK_MINUTES} || 60;
    $ENV{GOIM_TEST_LIMIT} ||= 60 * $minutes * 2 + 1200;
}

use Test::More;
use Test::Goim tests => 9;
use Test::Goim::Chaos;
use Test::Goim::Leftovers;
use Test::Goim::Util qw(slurp);

use JSON::PP;
use List::Util qw(max sum0);

my %settled = (channel => 'size=64k stall=60s', workers => 2,
               http => 'goim_drain 500ms; goim_room live://* { backlog 64m; }');
my @faults = qw(job worker reload stop_worker stop_job broker redis churn);

my $clients = $ENV{SOAK_CLIENTS} || 150;
my $rooms = 8;
my $chaos = Test::Goim::Chaos->new(
    clients => $clients, rate => Test::Goim->sanitized ? 10 : 30,
    redis => 1, logic => { auth => { heartbeat => '1h', heartbeat_max => 10 } });
my $goim = $chaos->goim;
my $logic = $goim->logic->pid;

my (@wrong, %memory);


# In KB, of the processes together.
sub memory {
    return sum0(map { slurp("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }
                @_);
}


sub online {
    my $answer = $goim->ask_logic('/goim/online/total') or return 'no answer';

    return JSON::PP->new->decode($answer->{body})->{data}{conn_count}
        // $answer->{body};
}


# Of all workers: name => sum; "fates" is what became of messages.
sub counts {
    my $total = $goim->status->{total};

    return { %$total, fates => sum0(
        map { $total->{$_} } grep { /^drop_|^delivered$/ } keys %$total) };
}


# With all calm and nothing under way the counts must agree.
sub agree {
    my ($what, $is, $is_to_be) = @_;

    push @wrong, "$what: $is, not $is_to_be" if $is ne $is_to_be;
}


sub reconcile {
    push @wrong, 'a stream does not reach all' if !$chaos->settle;

    my $before = counts();
    my $first = $chaos->sent;

    $chaos->begin;
    wait_until(30, 'some messages', sub {
        return !grep { $_->last_number < $first + 50 } $chaos->clients });
    push @wrong, 'a stream does not reach all' if !$chaos->settle;

    my $n = $chaos->sent - $first;
    my ($now, $online);

    wait_until(20, undef, sub {
        ($now, $online) = (counts(), online());
        return $now->{fates} - $before->{fates} == $n * $clients
            && $online eq $clients;
    });

    agree('messages read', $now->{records} - $before->{records},
          $n * $rooms * 2);
    agree('delivered and dropped', $now->{fates} - $before->{fates},
          $n * $clients);
    agree('dropped', $now->{fates} - $now->{delivered}, 0);
    agree('connections', $now->{connections}, $clients);
    agree('workers', $now->{workers}, 2);
    agree('connections, says goim-logic', $online, $clients);

    $chaos->begin;
}


sub settle_and_reconcile {
    $chaos->calm(%settled);
    reconcile();
    note('after ' . (time - $^T) . ' s: ' . $chaos->text);
}


# what stays for ever comes with the first

$chaos->run(20, @faults);
settle_and_reconcile();

my $leftovers = Test::Goim::Leftovers->new($goim, together => 1);
my $left = 60 * $minutes;

$memory{master} = [memory($goim->nginx->pid)];
$memory{workers} = [memory($goim->worker_pids)];
$memory{'goim-logic'} = [memory($logic)];

# everything, in rounds of a minute

for my $round (1 .. max(1, int($left * 0.5 / 60))) {
    $chaos->run(60, @faults);
    settle_and_reconcile();
}

# goim-job lives through reloads and brokers that come and go

my @jobs = map { $_->pid } @{$chaos->{jobs}};
my @others = grep { $_ ne 'job' } @faults;

$chaos->run($left * 0.05, @others);
$memory{'goim-job'} = [memory(@jobs)];
$chaos->run($left * 0.2, @others);
push @{$memory{'goim-job'}}, memory(@jobs);
settle_and_reconcile();

# workers live through clients that come and go

push @{$memory{workers}}, memory($goim->worker_pids);
$chaos->run($left * 0.05, 'churn');
$memory{'workers that stay'} = [memory($goim->worker_pids)];
$chaos->run($left * 0.2, 'churn');
push @{$memory{'workers that stay'}}, memory($goim->worker_pids);
settle_and_reconcile();

push @{$memory{master}}, memory($goim->nginx->pid);
push @{$memory{'goim-logic'}}, memory($logic);

is_deeply(\@wrong, [], 'all counts agree whenever there is calm');
is_deeply([$leftovers->differences(60)], [],
          'no descriptor, slot, file or process is left');

# a sanitizer keeps what was freed for a while
my %tolerance = ('goim-job' => 8192, 'goim-logic' => 8192);

for my $name (sort keys %memory) {
    my ($then, $now) = @{$memory{$name}};
    my $more = Test::Goim->sanitized ? 256 * 1024 : $tolerance{$name} || 2048;

    cmp_ok($now - $then, '<', $more,
           "memory of $name: $now KB, and was $then");
}

is_deeply($chaos->end, [], 'nothing was lost, doubled or out of order in '
          . $chaos->numbers . ' numbers: ' . $chaos->text);
is($goim->logic->pid, $logic, 'and goim-logic has lived all the time');
