# Redis servers are found by address, by name, or by a socket's path, and a
# name that nobody knows holds up no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;
my $local = $goim->add_redis(unix => 1)->start;

for my $case (['a name', "localhost:$redis->{port}", $redis],
              ['a path', $local->address, $local])
{
    my ($what, $address, $server) = @$case;
    my $store = $goim->add_store(servers => [$address])->ready;

    is($store->ask('connect k 7 s1 c 1000'), 'ok', "$what: Redis is found");
    is($server->command('GET', 'key_k'), 's1', "$what: and used");
}

# a file that is no socket any more
$local->kill9;
my $alone = $goim->add_store(servers => [$local->address]);
ok(wait_until(20, undef, sub { $alone->log_text =~ /\[warn\].*refused/ }),
   'a path where nobody listens is told of');
$local->start;
is($alone->ready->ask('connect k 7 s1 c 1000'), 'ok',
   'and tried again');

# keys are shared by both; those of the second work
my $both = $goim->add_store(servers => ['nowhere.invalid', $redis]);
my $found;
ok(wait_until(60, undef, sub {
    $found = grep { $both->ask("keys k$_") =~ /^ok/ } 1 .. 50;
}), 'keys of a known server are found beside an unknown one');
cmp_ok($found, '<', 50, 'not those of the unknown one');
ok(wait_until(60, undef, sub {
    $both->log_text =~ /\[warn\].*"nowhere.invalid:6379"/;
}), 'which is told of');
