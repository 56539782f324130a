# SIGUSR2 to an nginx of another version, and back: the old one's workers hand
# their connections over to the new one's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::Upgrade qw(plan_upgrades upgrade_options replace version);

plan_upgrades(9);

my $goim = Test::Goim->new(
    upgrade_options(), workers => 2,
    http => 'goim_drain 1s;');
replace($goim, 'first');
$goim->start;

my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my $first = version($goim);
my @old = $goim->connect_many(20, $member);
my $stream = $goim->stream('live://1', count => 1e6, rate => 100);
ok($goim->all_reach(10, 20, @old), "a stream is under way, nginx $first");

for my $to ('other', 'first') {
    replace($goim, $to);
    $nginx->upgrade;
    $nginx->quit_old;
    wait_until(30, 'the old master to end', sub { !$nginx->old_alive });

    my $version = version($goim);
    ok($to eq 'first' ? $version eq $first : $version ne $first,
       "SIGUSR2: it is nginx $version");

    my $reached = $old[0]->last_number + 50;
    ok($goim->all_reach($reached, 20, @old), 'the stream goes on');
    is(scalar(grep { $_->is_closed } @old), 0, 'nobody is disconnected');
}

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 20, @old), 'the end of the stream arrives');
is_deeply($goim->faults(undef, $sent, @old), [], 'nothing was missed');
