# Partitions change their leaders, brokers go and come, and a real broker is
# killed: what goim-logic has acknowledged arrives once and in its order, and
# what it has refused arrives at most once, in its place.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;


# Pushes numbers one after the other until it has done so $n times; returns
# which were acknowledged.  between => a function that is called with each.
sub push_numbers {
    my ($goim, $first, $n, $between) = @_;

    my @acknowledged;

    for my $number ($first .. $first + $n - 1) {
        $between->($number) if $between;

        my $answer = $goim->ask_logic(
            '/goim/push/room?operation=1000&type=live&room=1',
            method => 'POST', body => $number);
        push @acknowledged, $number
            if $answer && $answer->{body} eq '{"code":0,"message":""}';
    }

    return @acknowledged;
}


# What is wrong with the numbers that a client got.
sub wrong_with {
    my ($client, @acknowledged) = @_;

    my (@faults, %got);
    my $last = $acknowledged[-1];
    my @bodies;

    wait_until(60, undef, sub {
        push @bodies, $client->bodies;
        return @bodies && $bodies[-1] >= $last;
    }) or push @faults, "ends with " . ($bodies[-1] || 'nothing');

    for my $i (0 .. $#bodies) {
        push @faults, "$bodies[$i] again" if $got{$bodies[$i]}++;
        push @faults, "$bodies[$i] behind $bodies[$i - 1]"
            if $i && $bodies[$i] <= $bodies[$i - 1];
    }

    push @faults, map { "no $_" } grep { !$got{$_} } @acknowledged;

    return \@faults;
}


my $real = Test::Goim->new(kafka => 'real', logic => 1, workers => 1,
                           http => 'goim_room live://* { backlog 8m; }');
my $can_real = $real->start_kafka;

Test::Goim->plan($can_real ? 6 : 3);

my $goim = Test::Goim->new(
    logic => { kafka => { 'message.timeout.ms' => 2000 } }, workers => 1,
    brokers => 3,
    http => 'goim_room live://* { backlog 8m; }',
    job => { kafka => { 'reconnect.backoff.ms' => 50,
                        'reconnect.backoff.max.ms' => 500 } })->start;
my $client = $goim->connect_ws->join_room('live://1');

my @good = push_numbers($goim, 1, 300, sub {
    my ($number) = @_;

    $goim->kafka->command('leader goim-push-topic 0 ' . ($number / 30 % 3 + 1))
        if $number % 30 == 0;
});
is(scalar @good, 300, 'all are acknowledged while the leader changes');

push @good, push_numbers($goim, 301, 300, sub {
    my ($number) = @_;

    my $which = int(($number - 301) / 100) + 1;
    # the mock cluster elects no other leader
    $goim->kafka->down($which) if $number % 100 == 20;
    $goim->kafka->up($which) if $number % 100 == 23;
});
ok(@good > 300, 'and some while brokers are down and up')
    or diag(scalar @good);
push @good, push_numbers($goim, 601, 200);
is_deeply(wrong_with($client, @good), [],
          'what was acknowledged arrives once and in order');

if ($can_real) {
    $real->start;
    $client = $real->connect_ws->join_room('live://1');

    @good = push_numbers($real, 1, 200);
    is(scalar @good, 200, 'a real broker acknowledges all');

    my $n = 201;

    for (1 .. 2) {
        $real->kafka->down;
        push_numbers($real, $n, 5);
        $n += 5;
        $real->kafka->up;

        wait_until(60, 'pushes to be taken again', sub {
            push @good, push_numbers($real, $n++, 1);
            return $good[-1] == $n - 1;
        });
        push @good, push_numbers($real, $n, 100);
        $n += 100;
    }

    ok(@good >= 402, 'and all once it is back from a kill');
    is_deeply(wrong_with($client, @good), [],
              'what was acknowledged arrives once and in order');
}
