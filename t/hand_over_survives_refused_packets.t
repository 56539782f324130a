# The system may refuse to send an offer of connections, or the answer to one:
# they go back, are offered again, and nobody is served by two workers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

my $n = 40;

for my $case (['GOIM_TEST_OFFERS', 3, 'offers are refused'],
              ['GOIM_TEST_ANSWERS', 1, 'an answer is refused'])
{
    my ($setting, $times, $name) = @$case;

    my $goim = Test::Goim->new(workers => 1)
        ->start_refused($setting => $times);
    my @clients = $goim->connect_many(
        $n, { numbers => 1, token => { room_id => 'live://1' } });
    my $stream = $goim->stream('live://1', count => 1e7, rate => 100);
    wait_until(20, 'a stream', sub { $clients[0]->last_number > 10 });

    $goim->reload(workers => 2);
    wait_until(60, 'the old worker to end', sub {
        return !$goim->nginx->old_worker_pids;
    });

    my @counts = map { $goim->counted($_) }
        qw(moved_out moved_in handover_drained);
    is("@counts", "$n $n 0", "$name: all go over");
    is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is disconnected');

    $goim->producer->stop_streams;
    my $sent = $goim->producer->wait_stream($stream);
    ok($goim->all_reach($sent, 20, @clients), 'the stream goes on');
    is_deeply($goim->faults(undef, $sent, @clients), [], 'whole, in order');

    $goim->stop if $name =~ /offers/;
}
