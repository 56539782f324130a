# A worker that stops reading holds goim-job up, and through it everybody,
# for "stall" at most.  Back within that time it has lost nothing; later, what
# it has missed is counted and is exactly what its clients lack.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 19;

use Time::HiRes qw(time);


# Two workers with a client each, whose streams run, and the second of which
# is then stopped: ($goim, stream, client, client of the stopped one).
sub with_stopped_worker {
    my ($stall) = @_;

    my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                               channel => "size=32k stall=$stall",
        http => 'goim_room live://* { backlog 64m; }')->start;
    my @clients = $goim->connect_spread(1, {
        numbers => 1, token => { room_id => 'live://1',
                                 test => { heartbeat => 600 } } });
    my ($one, $two) = @clients[0, -1];

    my $stream = $goim->stream('live://1', count => 1e7, rate => 1000,
                               size => 100);
    $goim->all_reach(500, 10, $one, $two) or die 'no stream';
    $goim->kill_worker('STOP', scalar $goim->worker_of($two));

    return ($goim, $stream, $one, $two);
}


# How many numbers the stream has had, once it is ended.
sub end_stream {
    my ($goim, $stream) = @_;

    $goim->producer->stop_streams;

    return $goim->producer->wait_stream($stream);
}


# the others wait, then go on without it; the ring has room for some 200

my ($goim, $stream, $one, $two) = with_stopped_worker('2s');
my $stopped = $goim->worker_of($two);

my $reached = $one->last_number + 2000;
ok($goim->all_reach($reached, 30, $one),
   'a stopped worker does not hold up the others\' clients for ever');
my $count = end_stream($goim, $stream);
ok($goim->all_reach($count, 30, $one), 'they get all of the stream');
is_deeply($goim->faults(1, $count, $one), [], 'and have lost nothing');

kill('CONT', $stopped);
$goim->push_room('live://1', 1000, sprintf('%0100d', $count + 1));
ok($goim->all_reach($count + 1, 20, $two),
   'the stopped one\'s client gets what is new when it runs again');

my @gaps = $two->faults;
my $status = $goim->status;
my $total = $status->{total};
my $job = $status->{lanes}[0]{job};
my $missing = $count + 1 - $two->count;

is(scalar @gaps, 1, 'after one gap');
cmp_ok($missing, '>', 1000, 'which is long');
is($total->{drop_missed}, $missing, 'and is counted to the message');
is($total->{channel_returned}, 1, 'the return, too');
is($job->{readers_out}, 1, 'goim-job counts a reader left out');
is($job->{readers_dead}, 0, 'and none dead');
cmp_ok($job->{pauses}, '>=', 1, 'and that it paused');
cmp_ok($job->{paused_ms}, '>=', 1900, 'for all of "stall"');
is_deeply([map { $_->{state} } @{$status->{lanes}[0]{readers}}],
          ['live', 'live'], 'all are back');

# back in time

($goim, $stream, $one, $two) = with_stopped_worker('60s');
$stopped = $goim->worker_of($two);

# the lane is full, and stays it
my ($last, $since) = (0, time);
ok(wait_until(20, undef, sub {
    ($last, $since) = ($one->last_number, time)
        if $one->last_number != $last;
    return time - $since > 1;
}), 'with a longer "stall" everybody waits');
$count = end_stream($goim, $stream);
cmp_ok($last, '<', $count, 'in the middle of the stream');

kill('CONT', $stopped);
ok($goim->all_reach($count, 20, $one, $two), 'until it runs again');
is_deeply($goim->faults(1, $count, $one, $two), [], 'and nobody misses any');

$status = $goim->status;
is($status->{total}{drop_missed}, 0, 'none is counted as missed');
is($status->{lanes}[0]{job}{readers_out}, 0, 'and no reader as left out');
