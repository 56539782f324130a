# A worker that is killed when some of the connections have gone over takes its
# own along: a new one those that it had taken, an old one those that it had
# still got. All others, on all workers, get everything once and in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

use Test::Goim::Handover qw(offer offered gave_up process_state);

# three slices of a hand-over, and a few
use constant CLIENTS => 800;

my $goim = Test::Goim->new(workers => 2)->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(CLIENTS, $member);

my $stream = $goim->stream('live://1', count => 1e7, rate => 10);
ok($goim->all_reach(5, 30, @clients), 'a stream is under way');


sub alive { return grep { !$_->is_closed } @clients }


# The ports of those that have ended, of some that were there before; who is
# not there any more has heard of it then.
sub closed_since {
    my @before = @_;

    wait_until(20, undef, sub {
        return alive() == $goim->status->{total}{connections};
    });

    return sort { $a <=> $b } map { $_->local_port }
        grep { $_->is_closed } @before;
}


sub wait_for_old {
    wait_until(60, 'old workers to end', sub { !$nginx->old_worker_pids });
    wait_until(20, 'new workers', sub {
        return $goim->worker_pids == $nginx->workers;
    });
    $nginx->expect_workers;
}


# A hand-over to two workers that has come to a halt in its middle: one of them
# has taken some connections and stands still, the other one has taken none and
# does as well. Who has which ports, that one, the other one, and the old ones
# that have still got some; nothing if it was too late for that.
sub halt {
    my @old = $goim->worker_pids;
    my @still = (offer($goim, 2, 0))[@old .. @old + 1];
    my ($taker) = offered($goim, @still);
    my ($other) = grep { $_ != $taker } @still;
    my $has;

    CORE::kill('CONT', $taker);
    wait_until(20, 'connections to be taken', sub {
        return %{$nginx->ports_of_workers->{$taker}};
    });
    CORE::kill('STOP', $taker);
    wait_until(10, 'it to stand still', sub { process_state($taker) eq 'T' });

    # what has been taken is let go of; what was offered since comes back
    my $is_clear = wait_until(5, undef, sub {
        $has = $nginx->ports_of_workers;
        return !grep { my $pid = $_;
                       grep { $has->{$taker}{$_} } keys %{$has->{$pid} || {}} }
            @old;
    });
    my @left = grep { %{$has->{$_} || {}} } @old;

    return ($has, $taker, $other, @left)
        if $is_clear && @left && !%{$has->{$other}};

    go_on($taker, $other);
    return;
}


sub go_on {
    my @stopped = @_;

    CORE::kill('CONT', @stopped);
    wait_for_old();
}


sub kill_one {
    my ($pid) = @_;

    $nginx->allow_alerts("worker process $pid exited on signal 9");
    CORE::kill('KILL', $pid);
    wait_until(20, 'it to be gone', sub { process_state($pid) eq '' });
}


# All that are there have what there is, and go on.
sub check {
    my ($what) = @_;

    my @alive = alive();
    my $reached = $alive[0]->last_number + 10;

    ok($goim->all_reach($reached, 60, @alive), "$what: the stream goes on");
    is($goim->status->{total}{connections}, scalar @alive,
       'each is with one worker');
}

# a new one is killed

my (@ends, @ended);

for my $try (1 .. 5) {
    my ($has, $taker, $other) = halt() or next;

    # what nobody answers for goes back, and is offered once more
    my $before = gave_up($goim);
    wait_until(20, 'an offer in vain', sub { gave_up($goim) > $before });

    @ends = sort { $a <=> $b } keys %{$has->{$taker}};
    kill_one($taker);
    go_on($other);

    @ended = closed_since(@clients);
    last;
}
ok(@ends, 'a new worker is killed when it has taken some, not all');

my %own = map { $_ => 1 } @ends;
is((grep { $own{$_} } @ended) . ' of ' . @ended, @ends . ' of ' . @ends,
   'its own end, and no other');
check('behind a new one\'s end');

# an old one is killed, of as many

push @clients, $goim->connect_many(scalar @ends, $member);
$goim->reload(workers => 1);
wait_for_old();

my (%left, @lost);

for my $try (1 .. 5) {
    my @before = alive();
    my ($has, $taker, $other, $victim) = halt();

    if ($victim) {
        %left = %{$has->{$victim}};
        kill_one($victim);
        go_on($taker, $other);

        # all but what was on its way to the other one
        @lost = closed_since(@before);
        last if @lost;
    }

    $goim->reload(workers => 1);
    wait_for_old();
}

cmp_ok(scalar @lost, '>', 0,
       'an old worker is killed when it has given some away: its own end');
is(scalar(grep { !$left{$_} } @lost), 0, 'and no other');
check('behind an old one\'s end');

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
my @alive = alive();
ok($goim->all_reach($count, 60, @alive), 'all of the stream arrives');
is_deeply([@{$goim->faults(undef, $count, @alive)},
           map { $_->faults } grep { $_->is_closed } @clients], [],
          'once, and in order');
