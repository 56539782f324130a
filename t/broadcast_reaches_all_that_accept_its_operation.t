# A push to all reaches each connection that accepts its operation, on every
# worker, in a room or not, while pushes to rooms go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
    http => 'goim_room live://* { backlog 64m; }')->start;

# of each three one accepts nothing, one 5000, one 5000 and more
my @accepts = (undef, [5000], [1, 5000, -7]);
my $n = 0;


sub options {
    my $accepts = $accepts[$n++ % 3];

    return { numbers => 1, token => {
        room_id => $n % 2 ? 'live://1' : undef,
        $accepts ? (accepts => $accepts) : (),
        test => { heartbeat => 600 } } };
}


my @clients = $goim->connect_spread(30, \&options);
my @room = grep { $_->{token}{room_id} } @clients;
my @all = grep { $_->{token}{accepts} } @clients;
my @more = grep { @{$_->{token}{accepts}} == 3 } @all;

my $stream = $goim->stream('live://1', count => 1e6, rate => 200);
ok($goim->all_reach(100, 10, @room), 'a stream to a room is under way');

# from the producer's side nothing but 40 messages in this order
for my $i (1 .. 20) {
    $goim->push_all(5000, "all $i");
    $goim->push_all(-7, "more $i");
}
$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
cmp_ok($count, '>', 100, 'and is all the time of the broadcasts');

my @expected = map { "all $_" } 1 .. 20;
my @interleaved = map { ("all $_", "more $_") } 1 .. 20;


# Clients whose broadcasts are not these.
sub others_than {
    my ($expected, @of) = @_;

    return grep {
        my $client = $_;
        my @got = map { $client->next_body } @$expected;
        grep { !defined $got[$_] || $got[$_] ne $expected->[$_] }
            0 .. $#$expected;
    } @of;
}


is(scalar others_than(\@interleaved, @more), 0,
   'who accepts both gets both, in their order');
is(scalar others_than(\@expected, grep { @{$_->{token}{accepts}} == 1 } @all),
   0, 'who accepts one gets that one');

ok($goim->all_reach($count, 20, @room), 'the stream ends');
is_deeply($goim->faults(1, $count, @room), [], 'without a fault');
is(scalar(grep { $_->bodies } @clients), 0,
   'and nobody got anything else, who accepts nothing got nothing');

my $total;
ok(wait_until(10, undef, sub {
    $total = $goim->status->{total};
    return $total->{delivered}
        == 20 * @all + 20 * @more + $count * @room;
}), 'each delivery is counted');
is($total->{drop_accepts}, 40 * @clients - 20 * @all - 20 * @more,
   'and each that was not accepted');
