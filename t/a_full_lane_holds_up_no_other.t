# A lane whose ring is full, as some worker does not read, holds up the
# partitions that belong to it and no others: the same goim-job goes on
# bringing those of its other lanes to whoever reads.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

# the status is answered by whoever is not stopped: workers share the socket
my $goim = Test::Goim->new(
    workers => 2, channel => 'size=64k lanes=2 stall=120s',
    topics => { 'goim-push-topic' => 2 },
    http => 'goim_room live://* { backlog 64m; }')->start;

my $n = 0;
my @clients = $goim->connect_spread(2, sub {
    return { token => { room_id => 'live://' . $n++ % 2,
                        test => { heartbeat => 86400 } } };
});
my $stopped = $goim->worker_of($clients[0]);
my $reading = $goim->worker_of($clients[-1]);

# on the worker that reads, a member of each room: that of live://0 is fed by
# the lane that is full

my %member = map { $_->{token}{room_id} => $_ }
    grep { $goim->worker_of($_) == $reading } @clients;

while (keys %member < 2) {
    my ($client) = $goim->connect_many(1, { token => {
        room_id => exists $member{'live://0'} ? 'live://1' : 'live://0',
        test => { heartbeat => 86400 } } });
    $member{$client->{token}{room_id}} = $client
        if $goim->worker_of($client) == $reading;
}


# A push of operation 1000 in a partition of our choice.
sub push_to {
    my ($room, $partition, $body) = @_;

    # the length takes two bytes
    my $value = "\x08\x01\x10\xe8\x07\x2a" . pack('C/a*', $room) . "\x3a"
        . chr(0x80 | length($body) & 0x7f) . chr(length($body) >> 7) . $body;
    $goim->push_value($value, partition => $partition);
}


sub lane { return $goim->status->{lanes}[$_[0]] }


kill('STOP', $stopped);

my $many = 400;
push_to('live://0', 0, sprintf('%01000d', $_)) for 1 .. $many;

ok(wait_until(30, undef, sub { lane(0)->{job}{pauses} }),
   'the lane of one partition is full');
my $head = lane(0)->{head};
cmp_ok(lane(0)->{seq}, '<', $many, 'with most of its messages before it');

push_to('live://1', 1, sprintf('%0200d', $_)) for 1 .. 20;
is(join(',', map { ($member{'live://1'}->next_body // 'none') + 0 } 1 .. 20),
   join(',', 1 .. 20), 'those of the other one arrive');
is(lane(0)->{head}, $head, 'while the first waits');
is(lane(1)->{job}{pauses}, 0, 'and their lane does not');

kill('CONT', $stopped);

my @got;
while (@got < $many && defined(my $body = $member{'live://0'}->next_body(30)))
{
    push @got, $body + 0;
}

is(join(',', @got), join(',', 1 .. $many), 'then all of the first come');
is(lane(0)->{job}{readers_out}, 0, 'nobody was left out for it');
is($goim->status->{total}{drop_missed}, 0, 'and nothing was missed');
