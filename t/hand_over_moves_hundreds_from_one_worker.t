# A worker with more connections than a packet between workers can carry, or a
# slice takes, hands all of them over: nobody is closed, nothing of a stream is
# lost, doubled or out of order. So it does once it has no time left, and
# offers as many as it can at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

use Test::Goim::Handover qw(take_all_turns);

use constant CLIENTS => 600;

my $goim = Test::Goim->new(workers => 1, servers => '%%TCP_SERVER%%')->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = map { $goim->connect_many(100, $member) } 1 .. CLIENTS / 200;

for (1 .. CLIENTS / 200) {
    push @clients, map { $goim->connect_tcp(%$member) } 1 .. 100;
    wait_until(30, 'clients to be authenticated', sub {
        return !grep { !$_->is_authenticated } @clients;
    });
}

my $stream = $goim->stream('live://1', count => 1e7, rate => 10);
ok($goim->all_reach(5, 20, @clients), 'a stream is under way');


# Until the old worker has gone; hold => 1: it gets no turn.
sub reload {
    my ($what, %opt) = @_;

    my @held = $opt{hold} ? take_all_turns($goim) : ();

    $goim->reload;
    ok(wait_until(30, undef, sub { !$nginx->old_worker_pids }),
       "$what: the old worker ends");
    is($goim->status->{total}{moved_in}, CLIENTS, 'all go over');
}


# slices of 250, and the rest; without time all that are left are one

reload('in slices');
reload('without time', hold => 1);

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 30, @clients), 'all of the stream arrives');
is_deeply($goim->faults(undef, $count, @clients), [], 'once, and in order');
is(scalar(grep { $_->is_closed } @clients), 0, 'and nobody is closed');
