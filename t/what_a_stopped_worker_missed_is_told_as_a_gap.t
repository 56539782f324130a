# Messages that a worker was too late for may have been any room's: all its
# members that have asked are told so, at once, and where it was.  Those of
# others that went on hear nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 11;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           channel => 'size=32k stall=2s')->start;

my %asking = (goim => { gap => JSON::PP::true }, test => { heartbeat => 600 });
my $n = 0;
my @clients = $goim->connect_spread(2, sub {
    return { token => { room_id => 'live://' . $n++, %asking } };
});

# two members of different rooms on the worker that is stopped, and beside one
# of them a member on the other worker, and one that has not asked

my ($busy, $quiet) = @clients;
my $beside = $clients[-1];
my $room = $busy->{token}{room_id};
my $pid = $goim->worker_of($busy);

$beside->send_packet(12, $room);
$beside->reply(13);

my ($other) = grep { $goim->worker_of($_) == $pid }
    $goim->connect_spread(1, { token => { room_id => $room } });

$goim->push_room($room, 1000, 'before');
is($busy->next_packet->{body}, 'before', 'a message before');

$goim->kill_worker('STOP', $pid);
$goim->producer->wait_stream($goim->stream($room, count => 1000,
                                           size => 100));

$goim->push_room($room, 1000, 'after');
ok(wait_until(30, undef, sub {
    grep { ($_->{body} || '') eq 'after' } @{$beside->{packets}};
}), 'the other one is not held up for ever');
kill('CONT', $pid);

my (@seen, $packet);

while ($packet = $busy->next_packet(20)) {
    push @seen, $packet;
    last if $packet->{body} eq 'after';
}

my @notices = grep { $seen[$_]{op} == 18 } 0 .. $#seen;
is(scalar @notices, 1, 'one notice');
is($seen[$notices[0]]{body}, '{"gap":0}', 'of an unknown number');

my @numbers = map { $_->{op} == 18 ? 'gap' : $_->{body} + 0 }
    @seen[0 .. $#seen - 1];
my @jumps = grep { $numbers[$_] ne 'gap'
                   && ($_ == 0 ? $numbers[0] != 1
                       : $numbers[$_ - 1] eq 'gap'
                         || $numbers[$_] != $numbers[$_ - 1] + 1) }
    0 .. $#numbers;
is_deeply(\@jumps, [$notices[0] + 1], 'which stands where messages are missing')
    or diag("@numbers[0 .. 9]");

$packet = $quiet->next_packet(10);
is($packet && $packet->{op}, 18, 'a quiet room\'s member is told as well');
is($packet && $packet->{body}, '{"gap":0}', 'the same');

ok(!(grep { $_->{op} == 18 } @{$beside->{packets}}),
   'nobody on the other worker is told');

my $total = $goim->status->{total};
cmp_ok($total->{drop_missed}, '>', 0, 'what was missed is counted');
cmp_ok($total->{gap_notices}, '>=', 2, 'and so are the notices');
ok(!(grep { $_->{op} == 18 } @{$other->{packets}}),
   'who has not asked is not told');
