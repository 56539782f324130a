# Where the system refuses long packets, connections go over in shorter ones,
# what is pending for one in several; where it takes none they are let go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

my $n = 150;


# Workers that can't send packets of more than so many bytes to each other.
sub with_packets_of {
    my ($most) = @_;

    return Test::Goim->new(
        workers => 1, channel => 'size=32m',
        http => 'goim_drain 1s; goim_room live://* { backlog 64m; }',
    )->start_refused(GOIM_TEST_PACKET => $most);
}


sub reload {
    my ($goim) = @_;

    $goim->reload;
    wait_until(30, 'the old worker to end', sub {
        return !$goim->nginx->old_worker_pids;
    });
}


my $goim = with_packets_of(20_000);
my @clients = $goim->connect_many($n, { token => { room_id => 'live://1' } });
my $deaf = $goim->connect_ws->join_room('live://deaf');

# what does not fit into the sockets' buffers is pending in the worker

$deaf->pause;
my $body = 'x' x 60_000;
$goim->push_room('live://deaf', 1000, $_ . $body) for 1 .. 100;
ok(wait_until(20, undef, sub {
    return $goim->status->{total}{pending} > 100_000;
}), 'more is pending for one than a packet may hold');

reload($goim);

is($goim->counted('moved_out'), $n + 1, 'all go over');
is($goim->counted('handover_drained'), 0, 'none is let go');

$deaf->resume;
is(join(' ', map { ($deaf->next_body || '') =~ /^(\d+)x{60000}$/ ? $1 : '?' }
            1 .. 100),
   join(' ', 1 .. 100), 'what was pending arrives, once and in order');

$goim->push_room('live://1', 1000, 'here');
is(scalar(grep { $_->next_body eq 'here' } @clients), $n, 'so does the next');

# packets of a few bytes

$goim->stop;
$goim = with_packets_of(500);
my $only = $goim->connect_ws->join_room('live://1');
reload($goim);
is($only->expect_close, 1012, 'who does not fit into any is let go');
