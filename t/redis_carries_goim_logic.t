# goim-logic with its sessions in Redis: clients come, are found by key and
# member, and go; while Redis is away nobody comes in, and all goes on when it
# is back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

my $goim = Test::Goim->new(workers => 2, redis => 1,
                           logic => { redis => { timeout => '2s' } })->start;
my $redis = $goim->redis;

ok(wait_until(20, undef, sub {
    ($goim->ask_logic('/health') || {})->{status} == 200
}), 'goim-logic reaches Redis');


my $token = { mid => 7, key => 'k', accepts => [1000], room_id => 'r://1' };
my $client = $goim->connect_ws->auth($token);

is($redis->command('GET', 'key_k'), 'comet-1', 'a client is in Redis');
ok(wait_until(20, undef, sub { $redis->command('TTL', 'key_k') > 1000 }),
   'and stays there when its worker has told of it');

$goim->ask_logic('/goim/push/mids?operation=1000&mids=7', method => 'POST',
                 body => 'hello');
is($client->next_body, 'hello', 'it is found by its member');

my $second = $goim->connect_ws->auth($token);
ok($client->expect_close(20), 'another with its key ends it');

$goim->ask_logic('/goim/push/keys?operation=1000&keys=k', method => 'POST',
                 body => 'again');
is($second->next_body, 'again', 'and gets what is for the key');

# away
$redis->kill9;
ok(wait_until(20, undef, sub {
    ($goim->ask_logic('/health') || {})->{status} == 503
}), 'goim-logic notices that Redis is gone');

my $refused = $goim->connect_ws;
$refused->response;
$refused->send_auth($token);
is($refused->expect_close(20), 1013, 'who comes then is to try later');

# back, and empty
$redis->start;
ok(wait_until(60, undef, sub { $redis->command('GET', 'key_k') }),
   'the worker tells a new Redis of its client');

$goim->ask_logic('/goim/push/mids?operation=1000&mids=7', method => 'POST',
                 body => 'after');
is($second->next_body, 'after', 'and it is found again');

$second->disconnect;
ok(wait_until(20, undef, sub { !$redis->command('EXISTS', 'key_k', 'mid_7') }),
   'until it goes');

my $metrics = $goim->ask_logic('/metrics')->{body};
my %has = $metrics =~ /^goim_logic_redis_(\w+)\{redis="[\d.:]+"\} (\d+)$/mg;
is(join(' ', sort keys %has), 'calls_total connects_total errors_total '
   . 'losses_total refused_total timeouts_total up',
   'its calls are counted');
ok($has{up} && $has{connects_total} > 1 && $has{losses_total}
   && $has{calls_total}, 'and what has become of it');
