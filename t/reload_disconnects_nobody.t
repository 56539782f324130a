# At a reload old workers hand their connections over to the new ones, and end:
# clients keep their connections, get everything once and in order, and are
# answered, through reloads with more and with fewer workers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 21;

my $goim = Test::Goim->new(workers => 2, servers => '%%TCP_SERVER%%')->start;
my $nginx = $goim->nginx;

my @clients;

for my $room (1 .. 3) {
    my $member = { numbers => 1, token => { room_id => "live://$room" } };

    push @clients, $goim->connect_many(50, $member),
        map { $goim->connect_tcp(%$member) } 1 .. 20;
}

# so fast that one worker is always a few messages ahead of the other

my $fast = { numbers => 1, token => { room_id => 'fast://1' } };
my @fast = ($goim->connect_many(4, $fast), $goim->connect_tcp(%$fast));

my $nobody = $goim->connect_ws->join_room('none://1');
my @streams = map { $goim->stream("live://$_", count => 1e7, rate => 100) }
    1 .. 3;
my $rapid = $goim->stream('fast://1', count => 1e7, rate => 2000);

ok($goim->all_reach(50, 20, @clients), 'streams are under way');

my $round = 0;

for my $workers (3, 1, 4, 2, 2) {
    my @old = $goim->worker_pids;

    $goim->reload(workers => $workers);
    $round++;

    ok(wait_until(10, undef, sub {
        my %left = map { $_ => 1 } $nginx->old_worker_pids;
        return !grep { $left{$_} } @old;
    }), "reload $round, to $workers workers: the old ones end");

    is(scalar(grep { $_->is_closed } @clients, @fast, $nobody), 0,
       'nobody is disconnected');

    my $reached = $clients[0]->last_number + 30;
    ok($goim->all_reach($reached, 20, @clients), 'and the streams go on');
}

$_->heartbeat for @clients;

$goim->producer->stop_streams;
my @count = map { $goim->producer->wait_stream($_) } @streams;

my @room = map { my $r = $_; [@clients[$r * 70 .. $r * 70 + 69]] } 0 .. 2;
my @faults;

for my $r (0 .. 2) {
    $goim->all_reach($count[$r], 20, @{$room[$r]});
    push @faults, @{$goim->faults(undef, $count[$r], @{$room[$r]})};
}

my $last = $goim->producer->wait_stream($rapid);
$goim->all_reach($last, 30, @fast);
push @faults, @{$goim->faults(undef, $last, @fast)};

is_deeply(\@faults, [], 'everybody got everything once, and in order');
is(scalar(grep { $_->is_closed } @clients, @fast, $nobody), 0,
   'over the same connections as before');

my $total = $goim->status->{total};
is($total->{connections}, 216, 'which are counted as before');
is($goim->counted('handover_drained', 'handover_refused'), 0,
   'none was let go');
ok($total->{moved_in} >= 216, 'all of them went over')
    or diag(explain($total));
