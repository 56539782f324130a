# Brokers that take long for each answer: goim-job begins all the same, and
# what it does not know yet, partitions as well as offsets, it asks with more
# time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 2;

my $goim = Test::Goim->new(job => 0)->start;
my $client = $goim->connect_ws->join_room('live://1');

$goim->push_room('live://1', 1000, 'hello');
$goim->kafka->command('rtt 1 800');

my $job = $goim->add_job->start;

is($client->next_body(60), 'hello', 'a message comes from a slow broker');
like($job->log_text, qr/_TIMED_OUT/, 'which was too slow at first');
