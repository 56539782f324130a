# What is delivered and dropped in rooms is counted by their classes as well,
# over all workers, in JSON and for Prometheus.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

my $goim = Test::Goim->new(
    workers => 2, listen => 'sndbuf=128k', http => <<'HTTP',
goim_room live://* { backlog 64k; }
    goim_room "odd\"://*" { }
    goim_room never://* { }
HTTP
    server => 'location = /metrics { goim_status prometheus; }')->start;

my $token = { room_id => 'live://1', test => { heartbeat => 600 } };
my @fast = $goim->connect_many(4, { numbers => 1, token => $token });
my ($slow) = $goim->connect_many(1, { numbers => 1, rcvbuf => 4096,
                                      token => $token });
my $other = $goim->connect_ws->join_room('other://1');
my $odd = $goim->connect_ws->join_room('odd"://1');
$slow->pause;

my $count = 1500;
ok($goim->stream_in_step('live://1', \@fast, count => $count, size => 1000),
   'a stream reaches its room');

$goim->push_room('other://1', 1000, 'x');
is($other->next_body, 'x', 'a message another one');
$goim->push_room('odd"://1', 1000, 'x');
is($odd->next_body, 'x', 'and one with an odd name');

my (%class, $total);


sub look {
    my $status = $goim->status;

    $total = $status->{total};
    %class = map { $_->{pattern} => $_ } @{$status->{room_classes}};
}


ok(wait_until(20, undef, sub { look(); $class{'live://*'}{drop_backlog} > 0 }),
   'what the slow one misses is counted by class');
is(join(' ', sort keys %class), '* live://* never://* odd"://*',
   'every class is shown');
is($class{'live://*'}{drop_backlog}, $total->{drop_backlog},
   'drops are those of all rooms');
is($class{'*'}{delivered}, 1, 'a room without a class is in the default one');
is($class{'odd"://*'}{delivered}, 1, 'a name is quoted');
is($class{'never://*'}{delivered}, 0, 'a class without rooms has nothing');

$slow->disconnect;
ok(wait_until(20, undef, sub {
       look();
       my $class = $class{'live://*'};
       return $class->{delivered} + $class->{drop_backlog}
              + $class->{drop_closed} == 5 * $count;
   }), 'delivered and dropped make what was pushed, for each member')
    or diag(explain([\%class, $total]));

my %metric = $goim->nginx->get('/metrics')->{body}
    =~ /^(goim_class_\w+\{[^}]*\}) (\d+)$/mg;
my %sum;
for (keys %metric) {
    my ($name, $labels) = /^goim_class_(\w+)_total\{(.*)\}$/;
    my ($class) = $labels =~ /class="((?:[^"\\]|\\.)*)"/;
    my ($reason) = $labels =~ /reason="(\w+)"/;
    $sum{join(' ', $name, $reason || (), $class)} += $metric{$_};
}
is($sum{'delivered live://*'}, $class{'live://*'}{delivered},
   'Prometheus is told the same');
is($sum{'dropped backlog live://*'}, $class{'live://*'}{drop_backlog},
   'drops by reason');
is($sum{'delivered odd\\"://*'}, 1, 'with the name quoted');
