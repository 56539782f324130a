# Reports of a megabyte and a hundred thousand rooms go through Redis in
# pieces: whoever asks meanwhile does not wait for the end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 16;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;
my $store = $goim->add_store(servers => [$redis])->ready;
my $n = 10000;


# Asks for keys until a command is answered: how often that was.
sub asked_until {
    my ($number) = @_;

    my ($asked, $answer) = (0);

    while (!defined $answer) {
        $asked++ if $store->ask('keys k1', 60) =~ /^ok/;
        $answer = eval { $store->take($number, 0.001) };
    }

    return ($asked, $answer);
}


my $pad = 'x' x 50;
my @lines = map { "connect $pad$_ k$_ " . $_ % 1000 . " tcp 10.0.0.1 1000" }
    1 .. $n;
s/connect x{30}/connect / for @lines;
my $text = join('|', "report session 1 s1 0 5 complete $n", @lines);
cmp_ok(length $text, '>', 600_000, 'a report is large');
cmp_ok(length $text, '<', 1_048_576, 'but none that is refused');

my ($asked, $answer) = asked_until($store->give($text));
is($answer, 'ok', 'it is taken');
cmp_ok($asked, '>=', 3, 'others are answered meanwhile');
is($store->ask('mids 1') =~ tr/@//, $n / 1000, 'its connections are found');
is($store->ask('online'), "ok s1=$n/1", 'and counted');

my @renew = map { /^connect (\S+ \S+ \S+)/; "renew $1" } @lines;
is($store->report("s1 0 5 complete $n", @renew), 'ok',
   'all are renewed at once');

my @end = map { /^connect (\S+ \S+ \S+)/; "disconnect $1 client" } @lines;
($asked, $answer) = asked_until($store->give(
    join('|', 'report session 1 s1 0 5 complete 0', @end)));
is($answer, 'ok', 'and end');
is_deeply([sort @{$redis->command('KEYS', '*_*')}], [], 'to the last');
is($redis->command('EXISTS', 'goim:sessions:0:5:s1'), 0, 'also here');

# rooms
for my $part (0 .. 9) {
    my @rooms = map { "room live://$part-$_ 1" } 1 .. $n;
    $store->report('s1 0 5 complete 0', @rooms) eq 'ok'
        or diag('a report with rooms is not taken');
}

is($redis->command('HLEN', 'goim:rooms:0:5:s1'), 10 * $n,
   'there are many rooms');
($asked, $answer) = asked_until($store->give('rooms'));
is($answer, 'ok ' . 10 * $n, 'all are told of, each once');
cmp_ok($asked, '>=', 3, 'others are answered meanwhile');

ok(wait_until(60, undef, sub {
    my $sum = 0;
    $sum += () = /"live:/g for values %{$redis->hash('ol_s1')};
    return $sum == 10 * $n;
}), 'goim\'s form has them as well');

$store->report('s1 0 6 complete 0');
is($store->ask('rooms'), 'ok 0', 'and they end with their epoch');
is($redis->command('EXISTS', 'goim:rooms:0:5:s1'), 0, 'also here');
