# A reload whose new workers take long to start: the old one goes on with its
# clients until somebody is there to take them, and lets nobody go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

use Test::Goim::Util qw(spew);

my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 100ms;');
my $start = $goim->dir . '/start';

spew($start, '');
$goim->start_refused(GOIM_TEST_LISTEN => $start);

my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(40, $member);
my ($old) = $goim->worker_pids;

my $stream = $goim->stream('live://1', count => 1e7, rate => 100);
ok($goim->all_reach(20, 20, @clients), 'a stream is under way');

unlink($start);
$nginx->write_conf(workers => 2);
CORE::kill('HUP', $nginx->pid);
ok(wait_until(20, undef, sub { $nginx->old_worker_pids }),
   'the old worker is to go, and nobody is there');

my $reached = $clients[0]->last_number + 100;
ok($goim->all_reach($reached, 20, @clients), 'its clients get their stream');
ok(defined $clients[0]->heartbeat, 'and answers');
is(scalar(grep { ($_ || 0) != $old } $goim->worker_of(@clients)), 0,
   'by the old worker');

spew($start, '');
ok(wait_until(20, undef, sub {
    return $goim->worker_pids == 2 && !$nginx->old_worker_pids;
}), 'it ends once the new ones are there');
$nginx->expect_workers;

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 20, @clients), 'all of the stream arrives');
is_deeply($goim->faults(undef, $count, @clients), [], 'once, and in order');
is($goim->counted('handover_drained'), 0, 'nobody was let go');
