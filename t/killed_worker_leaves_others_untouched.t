# A worker that is killed takes its own connections with it and nothing else:
# the others' clients lose nothing, its successor serves at once, its slot is free
# again, and all counts are of those who are there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           channel => 'size=64k stall=30s')->start;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_spread(10, $member);
my @worker = $goim->worker_of(@clients);

my $stream = $goim->stream('live://1', count => 1e7,
                           rate => Test::Goim->sanitized ? 200 : 500);

ok($goim->all_reach(200, 20, @clients), 'a stream is under way');

my $pid = $goim->kill_worker('KILL', $worker[0]);
my @dead = @clients[grep { $worker[$_] == $pid } 0 .. $#clients];
my @alive = @clients[grep { $worker[$_] != $pid } 0 .. $#clients];

wait_until(10, 'the connections to break', sub {
    !grep { !$_->is_closed } @dead });
is(scalar(grep { $_->is_closed } @alive), 0,
   'only the killed worker\'s connections break');
is_deeply($goim->faults(1, undef, @dead), [],
          'what they had got by then was in order');

my @again = $goim->connect_spread(5, $member);
my %workers = map { $_ => 1 } $goim->worker_of(@again);
is(scalar keys %workers, 2, 'the successor takes connections');

$goim->all_reach(0, 20, @again);

# in place of the dead, not beside them

my $status;
wait_until(20, undef, sub {
    $status = $goim->status;
    return @{$status->{lanes}[0]{readers}} == 2
        && $status->{total}{connections} == @alive + @again;
});
my @now = sort { $a <=> $b } $goim->worker_pids;
is_deeply([sort { $a <=> $b } map { $_->{pid} } @{$status->{workers}}],
          \@now, 'the slots are those of the workers that live');
is_deeply([map { $_->{state} } @{$status->{lanes}[0]{readers}}],
          ['live', 'live'], 'the lane has no other readers');
is($status->{total}{connections}, @alive + @again,
   'the dead one\'s connections are not counted');
is($goim->status('/goim/status?room=live://1')->{host}, @alive + @again,
   'nor as members of their room');

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 20, @alive, @again),
   'the end of the stream reaches old and new clients');
is_deeply($goim->faults(1, $count, @alive), [],
          'the other worker\'s clients lost nothing');
is_deeply($goim->faults(undef, $count, @again), [],
          'the new ones got everything since they came');
