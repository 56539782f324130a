# What a connection does not get because it breaks in the very moment of
# sending is counted as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport')->start;

my @clients = $goim->connect_spread(1, { token => { accepts => [1000] } });
my @pids = $goim->worker_of(@clients);
my $pid = $pids[0];
my @stopped = @clients[grep { $pids[$_] == $pid } 0 .. $#clients];
my @others = @clients[grep { $pids[$_] != $pid } 0 .. $#clients];

# The worker finds the messages first, then that its clients have gone.

kill('STOP', $pid);
$goim->push_all(1000, $_) for 'one', 'two';
is_deeply([map { $others[0]->next_body } 1 .. 2], ['one', 'two'],
          'other workers send broadcasts');
$_->reset for @stopped;
kill('CONT', $pid);

my $total;
ok(wait_until(30, undef, sub {
    $total = $goim->status->{total};
    return $total->{connections} == @others && $total->{records} == 4
           && $total->{delivered} + $total->{drop_closed} >= 2 * @clients;
}), 'the stopped one goes on without its clients');
is($total->{delivered}, 2 * @others, 'those of the others were delivered');
is($total->{drop_closed}, 2 * @stopped, 'its own were not, and are counted');
