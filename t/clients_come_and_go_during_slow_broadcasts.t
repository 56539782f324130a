# Who is connected when a broadcast with a speed arrives gets it once, or
# leaves before, which is counted; who comes later does not get it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

my $goim = Test::Goim->new(workers => 1)->start;
my $token = { token => { accepts => [1000] } };

srand(1);

# Each client knows the broadcasts from its first to its last one; 0 is the
# one that was there when it came.

my $pushed = 0;
my $owed = 0;
my (@here, @gone);


sub come {
    my ($n) = @_;

    for my $client ($goim->connect_many($n, $token)) {
        $client->{first_push} = $pushed + 1;
        push @here, $client;
    }
}


# The next one has reached the worker when this returns.
sub broadcast {
    my ($speed) = @_;

    $pushed++;
    $owed += @here;
    $goim->push_all(1000, $pushed, speed => $speed);
    wait_until(30, 'a broadcast to arrive', sub {
        $goim->status->{total}{records} == $pushed });
}


sub go {
    my ($n) = @_;

    my @going = map { splice(@here, rand @here, 1) } 1 .. $n;

    $_->disconnect for @going;
    push @gone, @going;
    wait_until(30, 'the worker to notice', sub {
        $goim->status->{total}{connections} == @here });
}


sub bodies_so_far {
    my ($client) = @_;

    push @{$client->{got}}, $client->bodies;

    return @{$client->{got}};
}


come(60);

for my $round (1 .. 30) {
    broadcast((2, 200, 1000, 60, 400)[$round % 5]) if $round <= 20;
    go(4);
    come(5);

    if ($round == 5) {
        my $total = $goim->status->{total};
        ok($total->{paced}, 'some are under way');
        cmp_ok($total->{delivered}, '<', $owed, 'and owed to many');
    }
}

# the rest is made to hurry

broadcast(10) for 1 .. 9;
go(20);
broadcast(10) for 1 .. 9;
my $last = $pushed - 8;

ok(wait_until(60, undef, sub {
    return !grep {
        my @got = bodies_so_far($_);

        $_->{first_push} < $last && (!@got || $got[-1] < $last - 1);
    } @here;
}), 'all that stay get all');

my @wrong = grep {
    my $client = $_;
    my @got = bodies_so_far($client);

    grep { $got[$_] != $client->{first_push} + $_ } 0 .. $#got;
} @here, @gone;
is(scalar @wrong, 0, 'each from the first one after it came, in order, once')
    or diag("from $wrong[0]{first_push}: " . join(' ',
                                                  @{$wrong[0]{got}}));

# all leave: what they had not got is counted

go(scalar @here);
my $total;
ok(wait_until(30, undef, sub { !$goim->status->{total}{paced} }),
   'without clients none is under way');
$total = $goim->status->{total};
is($total->{delivered} + $total->{drop_closed}, $owed,
   'each was delivered, or counted as not');
