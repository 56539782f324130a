# In the middle of a hand-over: from a worker that does not answer, or is
# killed, the connections go back, and to another one; one that is killed when
# it has offered its connections loses none that arrive. Nobody is served by
# two workers, or by none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(workers => 1)->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(80, $member);

my $stream = $goim->stream('live://1', count => 1e7, rate => 100);
ok($goim->all_reach(20, 20, @clients), 'a stream is under way');


# Its slot, and one, which is true.
sub slot_of {
    my ($pid) = @_;

    return wait_until(10, 'a slot', sub {
        my ($slot) = map { (readlink($_) || '') =~ m{\.d/(\d+)$} ? ($1 + 1) : () }
            glob("/proc/$pid/fd/*");
        return $slot;
    });
}


# A reload to a number of workers that stand still, all but those that are
# spared; the old worker goes on only then, and offers its connections. Returns
# it, and the others.
sub offer {
    my ($workers, $spared) = @_;

    my ($old) = $goim->worker_pids;

    CORE::kill('STOP', $old);
    $nginx->write_conf(workers => $workers);
    CORE::kill('HUP', $nginx->pid);
    wait_until(10, 'new workers', sub {
        return $workers + 1 == $goim->worker_pids;
    });

    # the first ones behind the old one's slot are asked first

    my %behind = map { $_ => (slot_of($_) - slot_of($old)) % 1024 }
        $goim->worker_pids;
    my @new = sort { $behind{$a} <=> $behind{$b} }
        grep { $_ != $old } $goim->worker_pids;
    my @still = @new[0 .. $#new - $spared];
    my %socket = map { slot_of($_) => 1 } @new;

    wait_until(10, 'them to listen', sub {
        my %there = map { m{/(\d+)\.s$} ? ($1 + 1 => 1) : () }
            glob("$goim->{shm}/*.d/*.s");
        return !grep { !$there{$_} } keys %socket;
    });
    %socket = map { slot_of($_) => 1 } @still;

    CORE::kill('STOP', @still);
    CORE::kill('CONT', $old);
    $nginx->expect_workers;

    # the listening one, and what waits there
    wait_until(10, 'an offer', sub {
        my %n;
        m{/(\d+)\.s$} && $socket{$1 + 1} && $n{$1}++
            for grep { m{\Q$goim->{shm}\E} }
                split(/\n/, slurp('/proc/net/unix'));
        return grep { $_ > 1 } values %n;
    });

    return ($old, @still);
}


sub gave_up { return () = $goim->error_log =~ /does not answer/g }


sub check {
    my ($what) = @_;

    $nginx->expect_workers;
    is(scalar(grep { $_->is_closed } @clients), 0, "$what: nobody is lost");

    my $reached = $clients[0]->last_number + 50;
    ok($goim->all_reach($reached, 20, @clients), 'the stream goes on');
}


# one of two stands still; what it has been offered is not its own any more

my ($old, $still) = offer(2, 1);
ok(wait_until(20, undef, sub { gave_up() }), 'one does not answer');
CORE::kill('CONT', $still);
wait_until(20, 'the old worker to end', sub { !$nginx->old_worker_pids });
check('it does not take them later');

# one of two is killed with an offer before it

$goim->reload(workers => 1);
wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });

($old, $still) = offer(2, 1);
$nginx->allow_alerts("worker process $still exited on signal 9");
CORE::kill('KILL', $still);
wait_until(20, 'the old worker to end', sub { !$nginx->old_worker_pids });
wait_until(20, 'a successor', sub { $goim->worker_pids == 2 });
$nginx->expect_workers;
check('a killed one had none of them');

# the old one is killed; unless it was too late, what it has offered arrives

for my $try (1 .. 5) {
    $goim->reload(workers => 1);
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });

    my $before = gave_up();
    ($old, $still) = offer(1, 0);
    CORE::kill('STOP', $old);
    my $late = gave_up() > $before;

    if ($late) {
        CORE::kill('CONT', $old, $still);
        next;
    }

    $nginx->allow_alerts("worker process $old exited on signal 9");
    CORE::kill('KILL', $old);
    CORE::kill('CONT', $still);
    wait_until(20, 'it to be gone', sub { !$nginx->old_worker_pids });
    last;
}
check('the killed one had offered them');

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 20, @clients), 'all of the stream arrives');
is_deeply($goim->faults(undef, $count, @clients), [], 'once, and in order');
is($goim->status->{total}{connections}, 80, 'each is with one worker');
