# A client that does not read is bounded by its room's class: it skips what
# is older than its backlog, or it is closed; nobody waits for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

my $goim = Test::Goim->new(workers => 1, listen => 'sndbuf=128k',
                           http => <<'CONF')->start;
goim_room skip://* { backlog 64k; overflow skip; }
goim_room close://* { backlog 64k; overflow close; }
CONF

my ($count, $size) = (2000, 1000);
my %slow;
my @fast;

for my $class (qw(skip close)) {
    my $token = { room_id => "$class://1", test => { heartbeat => 600 } };

    ($slow{$class}) = $goim->connect_many(1, {
        numbers => 1, rcvbuf => 4096, token => $token });
    $slow{$class}->pause;
    push @fast, $goim->connect_many(3, { numbers => 1, token => $token });
}


ok($goim->stream_in_step(['skip://1', 'close://1'], \@fast,
                         count => $count, size => $size),
   'the others get the whole stream');
is_deeply($goim->faults(1, $count, @fast), [], 'in order');

my $total = $goim->status->{total};

is($total->{closed_backlog}, 1, 'the one in the closing class is closed');
is($total->{connections}, 7, 'and no other');

# the one that skips still does not read, and what it misses is known already

my $dropped;
ok(wait_until(10, undef, sub {
    $dropped = $goim->status->{total}{drop_backlog};
    return $dropped > $count / 4;
}), 'what a client misses is counted while it does not read')
    or diag("$dropped messages");

# The message that overflows a backlog goes with it; what comes then waits.
# So does the last here, if its push has dropped nothing.

my $last = $count;
my $before;

do {
    $before = $goim->status->{total};
    $goim->push_room('skip://1', 1000, sprintf('%0*d', $size, ++$last));
    wait_until(10, 'the push to be read', sub {
        return $goim->status->{total}{records} > $before->{records};
    });
    $dropped = $goim->status->{total}{drop_backlog};
} while ($dropped != $before->{drop_backlog});

$slow{skip}->resume;
ok($goim->all_reach($last, 20, $slow{skip}),
   'what came last is there when it reads again, nothing else pushed');

my @gaps = $slow{skip}->faults;
cmp_ok(scalar @gaps, '>=', 1, 'after a gap');
is(scalar(grep { /^(\d+) after (\d+)$/ && $1 <= $2 } @gaps), 0,
   'never backwards');
is($goim->status->{total}{drop_backlog}, $dropped,
   'nothing more is missed meanwhile');
is($slow{skip}->count + $dropped, $last, 'got and skipped make all');

$slow{close}->resume;
like($slow{close}->expect_close, qr/^(eof|reset|1008|1013)$/,
     'the closed one finds its connection ended');
