# With KAFKA the demo starts no mock, says so, and uses the brokers it is
# given; it waits for them as long as it takes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Demo;

my $goim = Test::Goim->new(auth => 0, nginx => 0, job => 0)->start;
my $kafka = $goim->kafka;

$kafka->down(1);
my $demo = Test::Goim::Demo->new($goim,
                                 env => { KAFKA => $kafka->bootstrap });

$demo->says(qr/^demo: waiting for Kafka at \Q@{[$kafka->bootstrap]}\E$/);
pass('a Kafka that is away is named');
$kafka->up(1);
$demo->ready;

is($demo->line('Kafka'), 'Kafka       ' . $kafka->bootstrap,
   'the brokers are told');
is(scalar(() = $demo->pids('mock_kafka')), 0, 'and are the only ones');

my $client = $demo->connect_ws('live://1000');

$goim->push_room('live://1000', 1000, 'produced');
is($client->next_body, 'produced', 'what others produce arrives');
is($demo->run_line('curl'), 0, 'as does');
is($client->next_body, 'hello from curl', 'what goim-logic produces');
