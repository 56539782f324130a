# A key belongs to one connection: pushes to it arrive there and nowhere
# else, if it accepts their operation, and a kick ends it, but for the
# connection that is to be spared.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 18;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport')->start;


# Clients with the keys k0, k1 ...; each has a connection id.
sub token {
    my ($key, $id) = @_;

    return { key => $key, room_id => 'live://1', accepts => [1000, -5],
             test => { headers => { 'X-Goim-Conn' => $id } } };
}


# What clients have got once all before a last message to the room is
# through.
my $marks = 0;

sub got {
    my (@clients) = @_;

    my $mark = 'mark ' . ++$marks;
    my @got;

    $goim->push_room('live://1', 1000, $mark);

    for my $client (@clients) {
        my @bodies;

        while (defined(my $body = $client->next_body)) {
            last if $body eq $mark;
            push @bodies, $body;
        }

        push @got, join(',', @bodies);
    }

    return \@got;
}


my $n = 0;
my @clients = $goim->connect_spread(2, sub {
    return { token => token('k' . $n++, "c$n") };
});
my ($first, $last) = map { $_->{token}{key} } @clients[0, -1];

# pushes

$goim->push_keys([$first], 1000, 'first');
$goim->push_keys(['nobody', $last, $first], 1000, 'both');
$goim->push_keys([$first], 1001, 'not accepted');
$goim->push_keys([$first], -5, 'negative');

my @expected = ('first,both,negative', ('') x (@clients - 2), 'both');
is_deeply(got(@clients), \@expected,
          'pushes to keys reach the connections that have them, over both '
          . 'workers, if they accept the operation');

my $total = $goim->status->{total};
is($total->{drop_accepts}, 1, 'what is not accepted is counted');

$goim->push_keys([$first], 1000, 'here', server => 'comet-1');
$goim->push_keys([$first], 1000, 'elsewhere', server => 'comet-2');
is(got($clients[0])->[0], 'here', 'pushes for another server are not ours');
is($goim->status->{lanes}[0]{job}{other_server}, 1, 'and counted');

# kicks

$goim->kick([$first], server => 'comet-2');
$goim->kick([$first], spare => $clients[0]{token}{test}{headers}
                                          {'X-Goim-Conn'});
is(got($clients[0])->[0], '', 'a kick does not end whom it spares');
ok($clients[0]->is_open, 'nor is a kick for another server obeyed');

$goim->kick([$first, $last], only => 'no-one');
$goim->kick([$first], only => $clients[-1]{token}{test}{headers}
                                          {'X-Goim-Conn'});
is(got($clients[0])->[0], '', 'one that is for another connection alone ends');
ok($clients[0]->is_open && $clients[-1]->is_open, 'nobody');

$goim->push_keys([$first], 1000, 'before');
$goim->kick([$first], reason => 'r',
            only => $clients[0]{token}{test}{headers}{'X-Goim-Conn'});
$goim->kick([$last], spare => 'no-one', reason => 'r');
is($clients[0]->expect_close, 1008, 'a kick ends a connection with 1008');
is($clients[0]{close_reason}, 'r', 'with its reason');
is($clients[-1]->expect_close, 1008, 'and those of all its keys');
is(join(',', grep { !/^mark/ } $clients[0]->bodies), 'before',
   'after what came before it');

my @others = @clients[1 .. $#clients - 1];
is(scalar(grep { $_->is_open } @others), @others, 'and no other');

is($goim->status->{total}{closed_kick}, 2, 'kicked ones are counted');

# the same key again, on the same worker

my ($earlier) = $goim->connect_many(1, { token => token('again', 'e') });
my $pid = $goim->worker_of($earlier);
my $later;

for my $try (1 .. 40) {
    ($later) = $goim->connect_many(1, { token => token('again', "l$try") });
    last if $goim->worker_of($later) == $pid;

    # another worker's: the earlier one is not its matter
    $later->disconnect;
}

is($earlier->expect_close, 1008,
   'the same key on the same worker replaces the earlier connection');
ok(wait_until(10, undef, sub {
    return $goim->status->{total}{closed_replacement} == 1;
}), 'which is counted');

$goim->push_keys(['again'], 1000, 'to the later');
is(got($later)->[0], 'to the later', 'pushes go on to the later one');
ok($later->is_open, 'which stays');
