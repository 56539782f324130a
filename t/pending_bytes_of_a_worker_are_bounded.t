# What waits in a worker is bounded by goim_max_pending, whoever causes it:
# rooms whose members do not read, replies that nobody takes, packets that
# never end.  Those who hold it the longest are closed; nobody else notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 12;

use Test::Goim::Packet qw(packet frame OP_HEARTBEAT WS_BINARY);

my $goim = Test::Goim->new(workers => 1, listen => 'sndbuf=64k',
                           location => 'goim_max_packet 1m;',
                           http => <<'HTTP')->start;
goim_max_pending 2m;
    goim_room deaf://* { backlog 64m; }
    goim_room held://* { flush 1m; backlog 64m; }
HTTP

my $limit = 2 * 1024 * 1024;

# of one turn and one round of events, before any connection can be closed
my $more = 1024 * 1024;
my $most = 0;


sub total {
    my $total = $goim->status->{total};

    $most = $total->{pending} if $total->{pending} > $most;
    return $total;
}


sub quiet {
    return wait_until(20, undef, sub { total()->{pending} == 0 });
}


my ($healthy) = $goim->connect_many(1, {
    numbers => 1, token => { room_id => 'live://1' } });

# each of many rooms has one member who does not read

my @deaf = map {
    $goim->connect_ws(rcvbuf => 4096, token => { room_id => "deaf://$_" })
} 1 .. 30;
wait_until(20, 'all to be in', sub {
    return !grep({ !$_->is_authenticated } @deaf);
});
$_->pause for @deaf;

my $number = 0;

for my $round (1 .. 40) {
    $goim->push_room("deaf://$_", 1000, 'x' x 8000) for 1 .. 30;
    $goim->push_room('live://1', 1000, ++$number);
    $goim->all_reach($number, 20, $healthy);
    total();
}

ok(wait_until(20, undef, sub { total()->{closed_memory} > 0 }),
   'members who do not read are closed');
cmp_ok($most, '<', $limit + $more, 'before they hold too much');
cmp_ok($most, '>', $limit / 2, 'but not long before');
is_deeply($goim->faults(1, $number, $healthy), [], 'the others get theirs');

$_->reset for @deaf;
ok(quiet(), 'all of it comes back');

# replies that nobody takes

my $closed = total()->{closed_memory};
$most = 0;
@deaf = map { $goim->connect_ws(rcvbuf => 4096,
                                token => { room_id => 'none://1' }) } 1 .. 60;
wait_until(20, 'all to be in', sub {
    return !grep({ !$_->is_authenticated } @deaf);
});

for my $client (@deaf) {
    $client->pause;
    $client->send_bytes(frame(WS_BINARY, packet(OP_HEARTBEAT, '')) x 8000);
}
ok(wait_until(12, undef, sub {
       my $total = total();
       return $total->{closed_memory} - $closed + $total->{closed_backlog}
              == 60;
   }), 'those whose replies pile up are closed')
    or diag(explain(total()));
cmp_ok($most, '<', $limit + $more, 'before they hold too much');
$_->reset for @deaf;
ok(quiet(), 'all of it comes back');

# packets that never end

$closed = total()->{closed_memory};
my @slow = map { $goim->connect_ws->join_room('none://1') } 1 .. 5;
$_->send_bytes(substr(frame(WS_BINARY, packet(2, 'x' x 900000)), 0, 800000))
    for @slow;
ok(wait_until(20, undef, sub { total()->{closed_memory} > $closed }),
   'who keeps much that is incomplete is closed');
$_->reset for @slow;
ok(quiet(), 'all of it comes back');

# what is held back for a batch

$closed = total()->{closed_memory};
my @held = map { $goim->connect_ws->join_room("held://$_") } 1 .. 3;
for my $room (1 .. 3) {
    $goim->push_room("held://$room", 1000, 'x' x 8000) for 1 .. 100;
}
ok($held[0]->next_body, 'what is held back goes out early');
is(total()->{closed_memory}, $closed, 'and nobody is closed for it');
$_->disconnect for @held;
