# Of what is pushed to a room beyond its max_rate every message has the same
# chance; operations with priority are never skipped.  What is skipped is
# counted, by room class and for one connection as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use List::Util qw(min sum);
use Test::More;
use Test::Goim tests => 16;
use Time::HiRes qw(time);

my $goim = Test::Goim->new(workers => 1, http => <<'HTTP')->start;
goim_room live://* { max_rate 25/s; priority 7 2000-2001; }
    goim_room slow://* { max_rate 1000/s; }
HTTP

my $other = $goim->connect_ws->join_room('slow://1');
my $ws = $goim->connect_ws->join_room('live://1', key => 'ws');


# Numbers 0 to n - 1 to a room, one by one in so many seconds; the seconds that
# it took.
sub push_numbers {
    my ($room, $n, $seconds, $op) = @_;

    my $before = $goim->status->{total}{records};
    my $began = time;

    for my $i (0 .. $n - 1) {
        $goim->push_room($room, $op->($i), $i);
        Test::Goim::Loop::turn(0.001)
            while time - $began < $seconds * $i / $n;
    }

    wait_until(60, 'all to be read', sub {
        return $goim->status->{total}{records} >= $before + $n;
    });

    return time - $began;
}


sub key { return JSON::PP->new->decode(
    $goim->nginx->get("/goim/status?key=$_[0]")->{body}) }


sub class {
    my ($class) = grep { $_->{pattern} eq 'live://*' }
        @{$goim->status->{room_classes}};
    return $class;
}


# The numbers that have come, since the last time
sub numbers {
    my ($client) = @_;

    $client->heartbeat;
    return $client->bodies;
}

# below the rate

push_numbers('slow://1', 100, 0, sub { 1000 });
is(join(' ', numbers($other)), join(' ', 0 .. 99),
   'below max_rate nothing is skipped');
is($goim->status->{total}{drop_rate}, 0, 'nor counted');

# far beyond it: every 40th has priority

my $n = 800;
my $took = push_numbers('live://1', $n, 2, sub {
    $_[0] % 40 == 0 ? (7, 2000, 2001)[$_[0] / 40 % 3] : 1000 });
my @got = numbers($ws);
my @ordinary = grep { $_ % 40 } @got;

is(join(' ', grep { $_ % 40 == 0 } @got),
   join(' ', map { $_ * 40 } 0 .. $n / 40 - 1),
   'all with priority arrive');
is_deeply(\@got, [sort { $a <=> $b } @got], 'everything in order');
cmp_ok(scalar @ordinary, '<=', 25 * ($took + 2), 'of the others not too many');

my $total = $goim->status->{total};
is(@got + $total->{drop_rate}, $n, 'the others are counted');
is(class()->{drop_rate}, $total->{drop_rate}, 'by room class');
is(key('ws')->{skipped_by}{rate}, $total->{drop_rate}, 'and for one key');
is(key('ws')->{skipped}, $total->{drop_rate}, 'for all reasons together too');

# without priority, as if four took turns

my $before = $total->{drop_rate};
push_numbers('live://1', 800, 2, sub { 1000 });
@got = numbers($ws);

my @share = (0) x 4;
$share[$_ % 4]++ for @got;
cmp_ok(min(@share), '>', @got / 20, 'who pushes has the same chance')
    or diag("@share");

my @quarter = (0) x 4;
$quarter[$_ / 200]++ for @got;
cmp_ok(min(@quarter), '>', 0, 'at any time') or diag("@quarter");
is(@got + $goim->status->{total}{drop_rate} - $before, 800,
   'and all are accounted for');

# who comes later, or goes elsewhere, has missed nothing before

my $late = $goim->connect_ws->join_room('live://1', key => 'late');
is(key('late')->{skipped}, 0, 'who comes later has missed nothing');
my $missed = key('ws')->{skipped};
$ws->send_packet(12, 'free://1');
$ws->reply(13);
is(key('ws')->{skipped}, $missed, 'who leaves has missed what it has');
push_numbers('live://1', 200, 0, sub { 1000 });
is(key('ws')->{skipped}, $missed, 'and misses nothing more');

is(class()->{drop_rate}, $goim->status->{total}{drop_rate},
   'which its class counts as missed nevertheless');
