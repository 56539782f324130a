# With REDIS the demo keeps its sessions there, and says so; while it is away
# the demo waits for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

use Test::Goim::Demo;
use Test::Goim::Redis;

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);
my $redis = Test::Goim::Redis->new(dir => $goim->dir);
my $demo = Test::Goim::Demo->new($goim, env => { REDIS => $redis->address });

push @{$goim->{tools_running}}, $redis;

$demo->says(qr/^demo: waiting for Redis at \Q@{[$redis->address]}\E$/);
pass('a Redis that is away is named');
$redis->start;
$demo->ready;

is($demo->line('sessions'), 'sessions    in Redis at ' . $redis->address,
   'it is told where the sessions are');

my $client = $demo->connect_ws('live://1000', key => 'k1');

like($redis->command('GET', 'key_k1'), qr/^demo-/, 'and there they are');

$demo->run_line('curl');
is($client->next_body, 'hello from curl', 'pushes arrive');
