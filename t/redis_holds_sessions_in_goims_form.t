# Sessions are in Redis as goim's logic writes and reads them, and what it
# has written is found.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 25;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;
my $store = $goim->add_store(servers => [$redis])->ready;


# A time to live of so many seconds, or a little less.
sub ttl_is {
    my ($key, $ttl, $name) = @_;

    my $got = $redis->command('TTL', $key);
    ok($got <= $ttl && $got > $ttl - 60, $name) or diag("$key: $got");
}


# ours, as goim reads it
$store->ask('connect k1 7 comet-1 c1 1000');
is($redis->command('GET', 'key_k1'), 'comet-1', 'a key has its server');
is_deeply($redis->hash('mid_7'), { k1 => 'comet-1' },
          'a member has its key and server');
ttl_is('key_k1', 120, 'a session that no worker has told of ends soon');
ttl_is('mid_7', 120, 'also the member\'s');

$store->report('comet-1 0 10 complete 1',
               'connect c1 k1 7 tcp 10.0.0.1 1000');
ttl_is('key_k1', 1800, 'when a worker has told of it, after 30 minutes');
ttl_is('mid_7', 1800, 'also the member\'s');

$store->ask('connect k1 7 comet-1 c1 1000');
ttl_is('key_k1', 1800, 'a late auth request makes it no shorter');
my (undef, undef, $until) = split(/ /, $redis->command(
    'HGET', 'goim:mid:7', 'k1'));
cmp_ok($until / 1000, '>', time + 1700, 'nor the member\'s');

$redis->command('EXPIRE', $_, 60) for qw(key_k1 mid_7);
$store->report('comet-1 0 10 complete 1', 'renew c1 k1 7');
ttl_is('key_k1', 1800, 'it lives on when it is renewed');
ttl_is('mid_7', 1800, 'and is found by its member');

$store->report('comet-1 0 10 complete 1',
               'connect c2 k2 0 tcp 10.0.0.1 1000');
is($redis->command('GET', 'key_k2'), 'comet-1',
   'one without a member has a key only');
is_deeply($redis->command('KEYS', 'mid_0'), [], 'and no member');

$store->report('comet-1 0 10 complete 0', 'disconnect c1 k1 7 client',
               'disconnect c2 k2 0 client');
is_deeply([sort @{$redis->command('KEYS', '*_*')}], [],
          'nothing is left of goim\'s keys when they end');

# goim's, as we read it: dao/redis.go, AddMapping
for my $n (1, 2) {
    $redis->command('HSET', 'mid_8', "g$n", "comet-$n");
    $redis->command('EXPIRE', 'mid_8', 1800);
    $redis->command('SET', "key_g$n", "comet-$n");
    $redis->command('EXPIRE', "key_g$n", 1800);
}

is($store->ask('keys g1 g2 g3'), 'ok g1@comet-1 g2@comet-2 g3@',
   'keys that goim has written are found');
is($store->ask('mids 8'), 'ok g1@comet-1 g2@comet-2',
   'and members');
is($store->ask('connect g1 8 comet-3 c3 1000'), 'ok g1@comet-1!c3<',
   'a connection with such a key ends the one that has it');
is($store->ask('mids 8'), 'ok g1@comet-3 g2@comet-2',
   'and takes its place');

$redis->command('SET', 'key_g1', 'comet-4');
$store->report('comet-3 0 10 complete 0', 'disconnect c3 g1 8 client');
is($store->ask('keys g1'), 'ok g1@comet-4',
   'what goim writes later stays when ours ends');

is($store->report('comet-3 0 10 complete 0', 'connect c4 g5 0 tcp ::1 5'),
   'ok', 'a connection comes');
$redis->command('SET', 'key_g5', 'comet-4');
is($store->report('comet-3 0 10 complete 0', 'renew c4 g5 0'),
   'ok g5@comet-3!<c4', 'and has to go when goim gives its key to another');

# goim's room counts, every 10 s
$store->report('comet-1 0 10 complete 5', 'room live://1 3', 'room live://2 4',
               'room %22%5C%01:// 1');
$store->report('comet-1 1 11 complete 5', 'room live://1 5',
               'room live://3 0');

my $wrong;

# The sums of all fields; counts what is not in goim's form.
sub sums {
    my $ol = $redis->hash('ol_comet-1');
    my %sum;

    $wrong = 0;

    for my $field (keys %$ol) {
        my $json = eval { JSON::PP->new->utf8->decode($ol->{$field}) } || {};
        my $n = $json->{room_count} || {};

        $sum{$_} += $n->{$_} for keys %$n;
        $wrong++ if $field !~ /^\d+$/ || $field > 63 || keys %$json != 3
            || $json->{server} ne 'comet-1'
            || abs($json->{updated} - time) > 60;
    }

    return join(' ', map { "$_=$sum{$_}" } sort keys %sum);
}

my $got;
ok(wait_until(60, undef, sub {
    ($got = sums()) eq "\"\\\x01://=1 live://1=8 live://2=4";
}), 'ol_<server> has the sums of all rooms') or diag($got);
is($wrong, 0, 'in goim\'s form');
ttl_is('ol_comet-1', 1800, 'and a time to live');

$store->report('comet-1 0 10 complete 5', 'room live://2 0',
               'room %22%5C%01:// 0');
$store->report('comet-1 1 11 complete 5', 'room live://1 1');
ok(wait_until(60, undef, sub {
    ($got = sums()) eq 'live://1=4';
}), 'rooms that are empty vanish from it') or diag($got);

is($store->ask('online'), 'ok comet-1=10/0 comet-3=0/1 room:live://1=4',
   'as from what is online');
