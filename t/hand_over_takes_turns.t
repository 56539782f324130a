# Workers that leave together move their connections in turns, so that most
# cores go on with the traffic. Where the turn does not come, as who has it
# stands still, they wait for it no longer than they have time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Time::HiRes qw(time);

use Test::Goim::Handover qw(take_all_turns);

use constant GOAL => 4;   # seconds; docs/operations.md

my $goim = Test::Goim->new(workers => 2)->start;
my $nginx = $goim->nginx;
my @clients = $goim->connect_many(
    40, { numbers => 1, token => { room_id => 'live://1' } });

$goim->stream('live://1', count => 1e7, rate => 100);
ok($goim->all_reach(20, 20, @clients), 'a stream is under way');


sub check {
    my ($what) = @_;

    wait_until(30, 'old workers to end', sub { !$nginx->old_worker_pids });

    my $reached = $clients[0]->last_number + 50;
    ok($goim->all_reach($reached, 20, @clients), "$what: the stream goes on");
}


# the turn does not come

my $turns = take_all_turns($goim);
my $began = time;
$goim->reload;
check('without a turn');
cmp_ok(time - $began, '>=', GOAL, 'it was waited for');

# it comes

close($turns);
$goim->reload;
check('in turns');

is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is lost');
is($goim->counted('handover_drained'), 0, 'or let go');
