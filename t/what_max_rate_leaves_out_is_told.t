# Messages beyond a room's max_rate are told of before the next one that comes,
# also to members that lag: got and told make all, for whoever has asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 12;

my $goim = Test::Goim->new(
    workers => 1, listen => 'sndbuf=64k',
    http => 'goim_room live://* { backlog 32k; max_rate 20/s; priority 2000; }',
    servers => '%%TCP_SERVER%%')->start;

my %token = (room_id => 'live://1', test => { heartbeat => 600 });
my %asking = (%token, goim => { gap => JSON::PP::true });

my %client = (
    websocket => $goim->connect_ws(token => \%asking),
    tcp => $goim->connect_tcp(token => \%asking),
    slow => $goim->connect_ws(token => \%asking, rcvbuf => 4096),
    silent => $goim->connect_ws(token => \%token),
);

$client{$_}->auth for sort keys %client;
$client{slow}->pause;

# numbered, with many at once, and every 100th with priority

my ($n, $size) = (0, 10000);

for (1 .. 20) {
    $goim->push_rooms(map { ['live://1', $_ == 100 ? 2000 : 1000,
                             sprintf('%0*d', $size, ++$n)] } 1 .. 100);
    wait_until(10, 'a part to be read', sub {
        return $goim->status->{total}{records} >= $n;
    });
}

$client{slow}->resume;

# What a client has got up to the last: [messages, told, what is wrong].
sub read_all {
    my ($client) = @_;

    my ($last, $skipped, $got, $told, @faults) = (0, 0, 0, 0);

    while ($last < $n) {
        my $packet = $client->next_packet(20) or return [$got, $told, 'end'];

        if ($packet->{op} == 18) {
            my $gap = decode_json($packet->{body})->{gap};
            $told += $gap;
            $skipped += $gap;
            next;
        }

        # told in front of the batch, so at least what is missing up to here
        $skipped -= $packet->{body} - $last - 1;
        push @faults, "$packet->{body} after $last" if $skipped < 0;
        $last = $packet->{body} + 0;
        $got++;
    }

    push @faults, "$skipped too many" if $skipped;

    return [$got, $told, join(', ', @faults)];
}

my %got = map { $_ => read_all($client{$_}) } grep { $_ ne 'silent' }
    keys %client;

for my $name (sort keys %got) {
    is($got{$name}[2], '', "$name: what is missing is told before it shows");
    is($got{$name}[0] + $got{$name}[1], $n, "$name: got and told make all");
}

my @silent = map { $client{silent}->next_body } 1 .. $got{websocket}[0];
is($silent[-1] + 0, $n, 'who has not asked gets the same messages');
ok(!(grep { $_->{op} == 18 } @{$client{silent}{packets}}), 'and no notice');

my $total = $goim->status->{total};
cmp_ok($total->{drop_rate}, '>', 4 * $n / 2, 'most were beyond the rate');
is($total->{drop_rate} / 4, $got{tcp}[1], 'the same for each member');
is($total->{drop_backlog}, $got{slow}[1] - $got{tcp}[1],
   'and what a slow one is told beyond it is its backlog\'s');
cmp_ok($total->{drop_backlog}, '>', 0, 'which was exceeded');
