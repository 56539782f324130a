# Sessions of connections that are handed over go on in goim-logic, in memory
# and in Redis: members are found and counted all the time, nobody is kicked,
# and what the old worker had told ends without them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

for my $redis (0, 1) {
    my $store = $redis ? 'Redis' : 'memory';
    my $goim = Test::Goim->new(workers => 2, logic => 1, redis => $redis,
                               http => 'goim_drain 1s;')->start;
    my $nginx = $goim->nginx;
    my $mid = 0;
    my @clients = map {
        $goim->connect_ws->join_room('live://1', mid => ++$mid,
                                     key => "key-$mid", accepts => [1000])
    } 1 .. 20;

    ok(wait_until(20, undef, sub { $clients[0]->heartbeat == 20 }),
       "$store: all are counted");

    my (%seen, $lost);

    for my $round (1, 2) {
        my @old = $goim->worker_pids;

        $goim->reload;

        ok(wait_until(20, undef, sub {
            $seen{$clients[$round]->heartbeat || 0}++;

            my %left = map { $_ => 1 } $nginx->old_worker_pids;
            return !grep { $left{$_} } @old;
        }), "reload $round: the old workers end");
    }

    is(scalar(grep { $_ < 20 } keys %seen), 0,
       'heartbeats never tell of fewer') or diag(join(' ', sort keys %seen));
    ok(wait_until(20, undef, sub { $clients[0]->heartbeat == 20 }),
       'and of the right number in the end');
    is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is kicked');

    $goim->ask_logic('/goim/push/mids?operation=1000&'
                     . join('&', map { "mids=$_" } 1 .. 20),
                     method => 'POST', body => 'to members');
    is(scalar(grep { ($_->next_body || '') eq 'to members' } @clients), 20,
       'all of them are found by their mids');
}
