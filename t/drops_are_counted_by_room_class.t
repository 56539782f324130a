# What is delivered and dropped in rooms is counted by their classes as well,
# over all workers, in JSON and for Prometheus, whatever the patterns are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 21;

my $goim = Test::Goim->new(
    workers => 2, listen => 'sndbuf=128k', http => <<'HTTP',
goim_room live://* { backlog 64k; max_members 5; }
    goim_room "odd\"://*" { }
    goim_room never://* { }
    goim_room %%LONG%%1 { }
    goim_room %%LONG%%2 { }
    goim_room caf%%E9%%://* { }
    goim_room * { }
HTTP
    LONG => 'n' x 63, E9 => "\xe9",
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
is(join(' ', sort keys %class),
   '* caf?://* live://* never://* ' . 'n' x 63 . ' odd"://*',
   'every class is shown, those of the same name once');
is($class{'live://*'}{drop_backlog}, $total->{drop_backlog},
   'drops are those of all rooms');
is($class{'*'}{delivered}, 1, 'a room without a class is in the default one');
is($class{'odd"://*'}{delivered}, 1, 'a name is quoted');
is($class{'never://*'}{delivered}, 0, 'a class without rooms has nothing');

# who is there; a room with members on both workers counts twice

my @workers = keys %{{ map { $_ => 1 }
                       $goim->worker_of(@fast, $slow) }};
is("$class{'live://*'}{rooms} $class{'live://*'}{members}",
   @workers . ' 5', 'rooms and members are those of the class');
is($goim->connect_ws(token => $token)->expect_close, 1013,
   'one too many is refused');
look();
is($class{'live://*'}{room_full}, 1, 'which its class counts');

$slow->disconnect;
ok(wait_until(20, undef, sub {
       look();
       my $class = $class{'live://*'};
       return $class->{delivered} + $class->{drop_backlog}
              + $class->{drop_closed} == 5 * $count;
   }), 'delivered and dropped make what was pushed, for each member')
    or diag(explain([\%class, $total]));

look();
for my $name (qw(delivered drop_backlog drop_closed)) {
    my $sum = 0;

    $sum += $_->{$name} for values %class;
    is($sum, $total->{$name}, "$name: classes make the total");
}

my $metrics = $goim->nginx->get('/metrics')->{body};
my @samples = $metrics =~ /^(goim_class_\w+\{[^}]*\}) \d+$/mg;
is(scalar @samples, scalar keys %{{ map { $_ => 1 } @samples }},
   'Prometheus is told no sample twice');
ok(utf8::decode(my $copy = $metrics), 'and nothing but UTF-8');

my %metric = $metrics =~ /^(goim_class_\w+\{[^}]*\}) (\d+)$/mg;
my %sum;
for (grep { /_total/ } keys %metric) {
    my ($name, $labels) = /^goim_class_(\w+)_total\{(.*)\}$/;
    my ($class) = $labels =~ /class="((?:[^"\\]|\\.)*)"/;
    my ($reason) = $labels =~ /reason="(\w+)"/;
    $sum{join(' ', $name, $reason || (), $class)} += $metric{$_};
}
is($sum{'delivered live://*'}, $class{'live://*'}{delivered},
   'and the same as in the JSON');
is($sum{'dropped backlog live://*'}, $class{'live://*'}{drop_backlog},
   'drops by reason');
is($sum{'delivered odd\\"://*'}, 1, 'with the name quoted');
