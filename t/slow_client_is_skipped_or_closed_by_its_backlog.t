# A client that does not read is bounded by its room's class: it skips what
# is older than its backlog, or it is closed; nobody waits for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

use Time::HiRes qw(time);

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


# the first number alone: then all is connected, and the others are no burst

for my $part ([1, 1], [2, $count - 1]) {
    my $stream = $goim->stream(['skip://1', 'close://1'],
                               first => $part->[0], count => $part->[1],
                               size => $size, rate => 500);
    $goim->producer->wait_stream($stream);
}

ok($goim->all_reach($count, 20, @fast), 'the others get the whole stream');
is_deeply($goim->faults(1, $count, @fast), [], 'in order');

my $total = $goim->status->{total};

is($total->{closed_backlog}, 1, 'the one in the closing class is closed');
is($total->{connections}, 7, 'and no other');

# The one that skips wakes up.  What comes while it still has its old backlog
# to take may be skipped as well, so numbers go on until one arrives.

my $last = $count;
my $next = 0;

$slow{skip}->resume;

ok(wait_until(20, undef, sub {
    return 1 if $slow{skip}->last_number == $last && $last > $count;
    return 0 if time < $next;

    $goim->push_room('skip://1', 1000, sprintf('%0*d', $size, ++$last));
    $next = time + 0.1;

    return 0;
}), 'it gets what is new when it reads again');

my @gaps = $slow{skip}->faults;
cmp_ok(scalar @gaps, '>=', 1, 'after a gap');
is(scalar(grep { /^(\d+) after (\d+)$/ && $1 <= $2 } @gaps), 0,
   'never backwards');

$total = $goim->status->{total};
cmp_ok($total->{drop_backlog}, '>', $count / 4,
       'what it did not get is counted');
is($slow{skip}->count + $total->{drop_backlog}, $last,
   'got and skipped make all');

$slow{close}->resume;
like($slow{close}->expect_close, qr/^(eof|reset|1008|1013)$/,
     'the closed one finds its connection ended');
