# SIGHUP with other brokers, while the old ones are gone: goim-job does not wait
# for what librdkafka has to finish with them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 3;

my $goim = Test::Goim->new(workers => 1)->start;
my $other = Test::Goim->new(nginx => 0, auth => 0, job => 0)->start;
my $client = $goim->connect_ws->join_room('live://1');

$goim->push_room('live://1', 1000, 'old');
is($client->next_body, 'old', 'a message from the old brokers');

$goim->kafka->stop;
wait_until(20, 'the brokers to be missed', sub {
    $goim->job->log_text =~ /_ALL_BROKERS_DOWN/;
});

# the channel knows the offset of the old ones
$other->push_room('live://1', 1000, "new $_") for 1 .. 3;

$goim->job->write_conf({ kafka => { brokers => $other->kafka->bootstrap } });
$goim->job->signal('HUP');

is($client->next_body(5), 'new 2', 'those of the new ones go on behind it');
is($client->next_body, 'new 3', 'in order');
