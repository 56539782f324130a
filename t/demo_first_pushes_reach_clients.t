# The demo says when it is ready, and the lines that it then gives to copy do
# what they say: a push by curl and one by kcat reach clients of WebSocket and
# of TCP.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

use Test::Goim::Demo;
use Test::Goim::Util qw(http_request);

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);
my $demo = Test::Goim::Demo->new($goim)->ready;
my @lines = $demo->lines;

like($lines[0], qr/^ready/, 'its first line says that it is ready');
is(scalar $demo->pids('worker'), 2, 'nginx has two workers');

for my $what (['page', '/', $demo->ws_port],
              ['status', '/goim/status', $demo->ws_port]) {
    my ($name, $path, $port) = @$what;

    is($demo->line($name), sprintf('%-11s http://127.0.0.1:%d%s', $name,
                                   $port, $path), "where the $name is");
}

is(http_request($demo->ws_port, '/goim/status')->{status}, 200,
   'the status is there');
is(http_request($demo->ws_port, '/metrics')->{status}, 200,
   'and for Prometheus');
is(http_request($demo->logic_port, '/health')->{status}, 200,
   'goim-logic is well');

my $ws = $demo->connect_ws('live://1000');
my $tcp = $demo->connect_tcp('live://1000');

is($demo->run_line('curl'), 0, 'the line with curl works');
is($ws->next_body, 'hello from curl', 'its push arrives by WebSocket');
is($tcp->next_body, 'hello from curl', 'and by TCP');

is($demo->run_line('printf'), 0, 'the line with kcat works');
is($ws->next_body, 'hello from kcat', 'its push arrives by WebSocket');
is($tcp->next_body, 'hello from kcat', 'and by TCP');

my ($partition) = map { /"partitions":(\d+)/ }
    http_request($demo->ws_port, '/goim/status')->{body};
is($partition, 4, 'Kafka has four partitions');
