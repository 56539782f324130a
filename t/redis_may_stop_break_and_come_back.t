# Redis is stopped, killed, full, busy, read-only, loading, or asks for a
# password: calls fail in time, at once after the first, and work again without
# a new start.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 39;
use Test::Goim::Util qw(slurp);
use Time::HiRes qw(time);

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;
my $store = $goim->add_store(servers => [$redis], timeout => 1000)->ready;
my $n = 0;


sub connects {
    $n++;
    return $store->ask("connect k$n $n s1 c$n 1000");
}


# Until it is as it was: connections come in and are found.
sub works_again {
    my ($name) = @_;

    my $found;
    wait_until(30, undef, sub {
        $found = connects() eq 'ok'
            && $store->ask("keys k$n") eq "ok k$n\@s1"
            && $store->ask("mids $n") eq "ok k$n\@s1";
    });
    ok($found, $name);
}


works_again('Redis works');

# stopped
$redis->freeze;
my @given = map { $store->give($_) }
    'connect x 99 s1 x1 1', 'keys k1', 'mids 1', 'online',
    'report session 1 s1 0 5 complete 1|connect x2 x2 0 tcp ::1 1';
my $start = time;
is($store->take($_, 30), 'again', 'a call of a stopped Redis fails')
    for @given[0, 2 .. $#given];
is($store->take($given[1]), 'again k1@', 'and tells of no place');

my $took = time - $start;
cmp_ok($took, '>=', 0.9, 'not before its time');

$start = time;
is($store->ask('up'), '0', 'the store says that it is not up');
is($store->ask('keys k1'), 'again k1@', 'others fail at once')
    for 1 .. 3;
cmp_ok($store->counters->{losses}, '>=', 1, 'the connection was given up');
cmp_ok($store->counters->{timeouts}, '>=', 1, 'since a reply was late');
$redis->thaw;
works_again('all goes on with it');

# idle
$redis->freeze;
ok(wait_until(20, undef, sub { !$store->ask('up') }),
   'a Redis that stops is noticed while nobody calls');
$redis->thaw;
works_again('and when it goes on');

# we are the ones who stand still
my $losses = $store->counters->{losses};
@given = map { $store->give($_) } ('keys k1') x 100, 'stall 2500';
is(join(' ', map { $store->take($_) } @given[0 .. 99]),
   join(' ', ('ok k1@s1') x 100),
   'replies that have come while we stood still are not late');
$store->take($given[100]);
is($store->counters->{losses}, $losses, 'and the connection stays');

# killed
$redis->kill9;
ok(wait_until(20, undef, sub { !$store->ask('up') }), 'Redis is killed');
is(connects(), 'again', 'calls fail');
$redis->start;
works_again('it is started again');

# clients are thrown out
$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no')
    for 1 .. 3;
works_again('connections are cut');

# full
$redis->command('CONFIG', 'SET', 'maxmemory', 1);
is(connects(), 'again', 'a full Redis takes nobody');
like($store->log_text, qr/\[error\].*OOM/, 'which is logged');
is($store->ask('keys k1'), 'ok k1@', 'but answers');
$redis->command('CONFIG', 'SET', 'maxmemory', 0);
works_again('it has memory again');

# busy: somebody's script runs for ever
$redis->command('CONFIG', 'SET', 'lua-time-limit', 50);
my $busy = Test::Goim::Process->new(
    name => 'redis-cli', dir => $goim->dir, out => '/dev/null',
    argv => ['redis-cli', '-p', $redis->{port}, 'EVAL',
             'while true do end', 0]);
ok(wait_until(20, undef, sub { $store->ask('keys k1') =~ /^again/ }),
   'Redis is busy with a script');
$redis->command('SCRIPT', 'KILL');
works_again('the script is ended');
$busy->stop;

# a replica
$redis->command('REPLICAOF', '127.0.0.1', 1);
ok(wait_until(20, undef, sub { connects() eq 'again' }),
   'a read-only Redis takes nobody');
like($store->log_text, qr/\[warn\].*READONLY/, 'which is logged');
$redis->command('REPLICAOF', 'NO', 'ONE');
works_again('it is the master again');

# loading
$redis->command('SET', "x$_", 1) for 1 .. 2000;
$redis->command('SAVE');
$redis->stop;
$redis->start('--key-load-delay', 2000,
              '--loading-process-events-interval-bytes', 1024);
ok(wait_until(20, undef, sub {
    $store->log_text =~ /\[warn\].*LOADING/;
}), 'Redis loads its data');
is($store->ask('up'), '0', 'and is not up meanwhile');
works_again('until it has loaded it');

# a password, later and wrong, then right
$redis->command('CONFIG', 'SET', 'requirepass', 'secret');
$redis->{login} = ['secret'];
$redis->command('CLIENT', 'KILL', 'TYPE', 'normal');
ok(wait_until(20, undef, sub { $store->log_text =~ /NOAUTH/ }),
   'Redis asks for a password');

my $wrong = $goim->add_store(servers => [$redis], password => 'wrong');
ok(wait_until(20, undef, sub { $wrong->log_text =~ /WRONGPASS/ }),
   'a wrong one is told of');
is($wrong->ask('keys k1') . $wrong->ask('up'), 'again k1@0',
   'and does not help');
unlike($wrong->log_text . $store->log_text, qr/secret|"wrong"/,
       'it is not written into the log');

my $right = $goim->add_store(servers => [$redis], password => 'secret',
                             username => 'default', database => 3)->ready;
is($right->ask('connect k9 9 s9 c9 9'), 'ok', 'the right one does');
