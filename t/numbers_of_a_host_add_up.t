# What was produced is delivered, dropped for a reason that is counted, or had
# no subscriber: the sums hold to the message on each worker, whatever is slow,
# stopped or killed meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

use List::Util qw(sum0);

my $goim = Test::Goim->new(
    workers => 2, listen => 'reuseport sndbuf=8k',
    channel => 'size=32k stall=2s', job => { job => { max_age => '1h' } },
    http => 'goim_room live://* { backlog 8k; }')->start;

# all in one room, and nobody in the other
my $member = { numbers => 1, token => { room_id => 'live://1',
                                        test => { heartbeat => 86400 } } };
my @clients = ($goim->connect_spread(5, $member),
               $goim->connect_many(2, { %$member, rcvbuf => 4096 }));
my @worker = $goim->worker_of(@clients);
my ($slow, $stopped) = ($clients[-1], $worker[0]);

$slow->pause;

my $stream = $goim->stream(['live://1', 'live://2'], count => 1e7,
                           rate => 500, size => 200);
my $skipped = 0;


# What clients can not get goes in between.
sub push_rubbish {
    $goim->push_value('no push') for 1 .. 3;
    $goim->push_value("\x08\x01\x10\x01\x2a\x08live://1\x3a\x01x",
                      ms => 1000 * (time - 7200));
    $goim->push_room('live://1', 1000, 'x' x 20_000);
    $goim->push_keys(['nobody'], 1000, 'x', server => 'another-comet');
    $skipped += 6;
}


sub goes_on {
    my ($n) = @_;

    return $goim->all_reach($clients[-2]->last_number + $n, 30, $clients[-2])
        || die('no stream');
}


goes_on(200);
push_rubbish();

for (1 .. 5) {
    $goim->job->kill9;
    $goim->job->start(ready => 0);
    goes_on(100);
}

# one worker is stopped for so long that the others go on without it

$stopped = $worker[-2] == $stopped ? $worker[-1] : $stopped;
my ($served) = grep { $worker[$_] != $stopped } 0 .. $#clients;
kill('STOP', $stopped);
ok($goim->all_reach($clients[$served]->last_number + 3000, 60,
                    $clients[$served]),
   'with a worker stopped the stream goes on');
kill('CONT', $stopped);

push_rubbish();
$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
$slow->resume;
push_rubbish();
$goim->job->wait_ready;

# the last of the lane, then the last of what is pending

my ($status, $lane);
wait_until(30, undef, sub {
    $status = $goim->status;
    $lane = $status->{lanes}[0];
    return $lane->{seq} - 1 == 2 * $sent
        && !grep { $_->{behind} } @{$lane->{readers}};
});

is($lane->{seq} - 1, 2 * $sent,
   'goim-job: each message of the stream is one record');

my %of = map { $_->{pid} => $_ } @{$status->{workers}};
my %members;
$members{$_}++ for @worker;

wait_until(30, undef, sub {
    %of = map { $_->{pid} => $_ } @{$goim->status->{workers}};
    return !grep { ends($of{$_}) != starts($of{$_}, $members{$_}) }
        keys %members;
});


# What a worker had to bring to its members, and what became of it.
sub starts {
    my ($of, $n) = @_;

    return ($of->{records} - $of->{no_subscriber}) * $n;
}


sub ends {
    my ($of) = @_;

    return $of->{delivered} + sum0(
        map { $of->{$_} } grep { /^drop_/ && $_ ne 'drop_missed' } keys %$of);
}


for my $pid (sort keys %members) {
    my $of = $of{$pid};
    my $name = $pid == $stopped ? 'the stopped worker' : 'the other worker';
    my $got = sum0(map { $clients[$_]->count }
                   grep { $worker[$_] == $pid } 0 .. $#clients);

    is($of->{records} + $of->{drop_missed}, 2 * $sent,
       "$name: all was read, or missed");
    is(ends($of), starts($of, $members{$pid}),
       'for each member all is delivered, or dropped');
    is($got, $of->{delivered}, 'and has arrived');
}

my ($missed, $backlog) = map { my $name = $_; sum0(map { $_->{$name} }
                                                   values %of) }
    qw(drop_missed drop_backlog);
cmp_ok($missed, '>', 0, 'messages were missed');
cmp_ok($backlog, '>', 0, 'others were too many for a slow client');

# a goim-job that is killed may have counted what the next one counts again

ok(wait_until(30, undef, sub {
    my $job = $goim->status->{lanes}[0]{job};
    return sum0(@$job{qw(unreadable too_old too_large other_server)})
        >= $skipped;
}), 'what no client could get is counted as well');
