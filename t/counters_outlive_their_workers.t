# What a worker has counted is not lost with it, whether it ends at a reload or
# is killed: it is among "ended" in the status, and with Prometheus.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

my $n = 10;
my $goim = Test::Goim->new(
    workers => 1, server => 'location = /metrics { goim_status prometheus; }',
)->start;
my $nginx = $goim->nginx;
my @clients = $goim->connect_many($n, { token => { room_id => 'live://1' } });
my $pushes = 0;


# A message to all; the count of what was delivered ever.
sub push_one {
    my ($text) = @_;

    $pushes++;
    $goim->push_room('live://1', 1000, $text);
    is(scalar(grep { ($_->next_body || '') eq $text } @clients), $n, $text);

    return wait_until(20, undef, sub {
        return $goim->counted('delivered') == $n * $pushes;
    });
}


ok(push_one('the first worker'), 'what is delivered is counted');

$goim->reload;
wait_until(20, 'the old worker to end', sub { !$nginx->old_worker_pids });
ok(push_one('the second worker'), 'with what an ended worker has counted');

$goim->kill_worker('KILL', 0);
@clients = $goim->connect_many($n, { token => { room_id => 'live://1' } });
ok(push_one('the third worker'), 'and one that was killed');

my $ended = $goim->status->{ended};
is($ended->{workers}, 2, 'two are gone');
my ($told) = $nginx->get('/metrics')->{body}
    =~ /^goim_delivered_total\{slot="ended"\} (\d+)$/m;
is($told, $ended->{delivered}, 'Prometheus is told');
