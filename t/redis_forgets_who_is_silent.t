# A slot that is silent has no worker any more, and its sessions end; not
# while Redis or goim-logic have been away themselves.  Any goim-logic goes on
# where another was killed, and two at once do no harm.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 16;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;
my %times = (silent => 4000, trust => 8000);
my $store = $goim->add_store(servers => [$redis], %times)->ready;
my $n = 3000;

sub soon {
    my ($command, $answer, $name) = @_;

    my $got;
    wait_until(60, undef, sub {
        return ($got = $store->ask($command)) eq $answer;
    });
    is($got, $answer, $name);
}


# one that goes on and one that doesn't
sub speaks {
    my ($slot, @lines) = @_;
    return $store->report("s1 $slot 5 complete 1", @lines);
}


speaks(0, 'connect a a 1 tcp 10.0.0.1 1000', 'room r://1 1');
speaks(1, 'connect b b 2 tcp 10.0.0.2 1000', 'room r://1 1');
is($store->ask('online'), 'ok room:r://1=2 s1=2/2', 'two slots report');

my $got;
ok(wait_until(60, undef, sub {
    speaks(0);
    ($got = $store->ask('keys a b')) eq 'ok a@s1 b@';
}), 'the sessions of one that falls silent end') or diag($got);
soon('mids 1 2', 'ok a@s1', 'also the members\'');
soon('online', 'ok room:r://1=1 s1=1/1', 'and its counts');

is(speaks(1, 'renew b b 2', 'room r://1 1'), 'ok resync',
   'if it comes back it is to tell of everything again');
$store->report('s1 1 6 complete 1', 'connect b b 2 tcp 10.0.0.2 1000');
is($store->ask('keys a b'), 'ok a@s1 b@s1', 'then it is as before');

# Redis is away for longer than silence is believed, and all have to come back
# by and by
$redis->freeze;
wait_until(20, undef, sub { !$store->ask('up') });
$redis->thaw;
$store->ready;
my $until = time + 3;
wait_until(60, undef, sub { $store->ask('keys a'); time >= $until });
is($store->ask('keys a b'), 'ok a@s1 b@s1',
   'silence is not believed while Redis has just come back');
soon('keys a b', 'ok a@ b@', 'but later it is');

# a sum that was under way may write ol_ once more: goim takes no notice of it
# after five minutes, and it expires
ok(wait_until(60, undef, sub {
    !grep { !/^ol_/ } @{$redis->command('KEYS', '*_*')};
}), 'nothing is left of goim\'s keys');

# many sessions of a dead worker: this one's reaper is killed, and there are
# two
my @lines = map { "connect c$_ k$_ $_ tcp 10.0.0.1 1000" } 1 .. $n;
is($store->report("s1 2 10 complete $n", @lines), 'ok', 'a worker has many');
my $other = $goim->add_store(servers => [$redis], %times)->ready;

is($store->report('s1 2 11 complete 1', 'connect x x 0 tcp ::1 1'), 'ok',
   'another takes its place');
ok(wait_until(60, undef, sub { $redis->command('DBSIZE') < 3 * $n }),
   'its sessions begin to end');
$store->kill9;
$store = $other;

my $third = $goim->add_store(servers => [$redis], %times)->ready;
ok(wait_until(60, undef, sub {
    $other->report('s1 2 11 complete 1');
    @{$redis->command('KEYS', 'key_*')} == 1;
}), 'with whoever is left to do it') or diag($redis->command('DBSIZE'));
soon(join(' ', 'mids', 1 .. $n), 'ok', 'no member is found');
is($store->ask('keys x'), 'ok x@s1', 'those of the other stay');
ok(wait_until(60, undef, sub {
    $other->report('s1 2 11 complete 1');
    !$redis->command('EXISTS', 'goim:dead');
}), 'and nothing is left to be done');
