# A session that nobody renews ends by itself, also one of several of a
# member, whose other ones stay.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 7;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;
my $store = $goim->add_store(servers => [$redis], expire => 6000)->ready;

is($store->report('s1 0 5 complete 2',
                  map { "connect c$_ k$_ 7 tcp 10.0.0.1 1000" } 1, 2),
   'ok', 'a member has two connections');
is($store->ask('mids 7'), 'ok k1@s1 k2@s1', 'both are found');

# one is renewed, and nothing is written for a while
my $renewed = time + 3;
wait_until(60, undef, sub { $store->ask('keys k1'); time >= $renewed });
$store->report('s1 0 5 complete 2', 'renew c1 k1 7');

my $got;
ok(wait_until(60, undef, sub {
    ($got = $store->ask('mids 7')) ne 'ok k1@s1 k2@s1';
}), 'one ends');
is($got, 'ok k1@s1', 'that was not renewed');
is($store->ask('keys k1 k2'), 'ok k1@s1 k2@', 'and its key');

ok(wait_until(60, undef, sub {
    $store->report('s1 0 5 complete 2', 'renew c1 k1 7');
    join(' ', keys %{$redis->hash('mid_7')}) eq 'k1';
}), 'what is left of it goes with time');

ok(wait_until(60, undef, sub {
    !@{$redis->command('KEYS', '*_*')};
}), 'nothing is left when nothing is renewed');
