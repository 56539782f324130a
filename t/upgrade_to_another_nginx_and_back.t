# The files of nginx and of the module are replaced by those of another
# version, as a package does it: a reload goes on with what is in memory,
# SIGUSR2 changes over, in both directions, and a stream goes on meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::Upgrade qw(plan_upgrades upgrade_options replace version);

plan_upgrades(15);

my $goim = Test::Goim->new(
    upgrade_options(), workers => 2,
    http => 'goim_handover off; goim_drain 1s;'
        . ' goim_room live://* { backlog 64m; }');
replace($goim, 'first');
$goim->start;

my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my $first = version($goim);
my $generation = $goim->status->{channel}{generation};
my @old = $goim->connect_many(20, $member);
my $stream = $goim->stream('live://1', count => 1e6, rate => 100);
my %code;

ok($goim->all_reach(10, 20, @old), "a stream is under way, nginx $first");

# a module of another version in its place, and then a reload

replace($goim, 'other');
$goim->reload;
is(version($goim), $first, 'a reload goes on with the nginx that runs');

my @new = $goim->connect_many(20, $member);
moved('after the reload');

for my $to ('other', 'first') {
    replace($goim, $to);
    $nginx->upgrade;

    my $reached = $old[0]->last_number + 50;
    ok($goim->all_reach($reached, 20, @old),
       "SIGUSR2, $to: the old workers serve");
    is(scalar(grep { !$_->is_open } @old), 0, 'and let nobody go');

    $nginx->quit_old;
    wait_until(30, 'the old master to end', sub { !$nginx->old_alive });

    my $version = version($goim);
    ok($to eq 'first' ? $version eq $first : $version ne $first,
       "then it is nginx $version");
    is($goim->status->{channel}{generation}, $generation,
       'with the channel as it was');

    @new = $goim->connect_many(20, $member);
    moved('after the upgrade');
}

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 20, @old), 'the end of the stream arrives');
is_deeply([keys %code], [1012], 'all others were told to come again');


# The old clients have been let go, without a fault until then; the new ones
# get the stream, and are the old ones of the next round.
sub moved {
    my ($when) = @_;

    $code{$_->expect_close(30) || 'none'}++ for @old;
    my @faults = @{$goim->faults(undef, undef, @old)};

    wait_until(20, undef, sub { !grep { $_->count < 10 } @new })
        or push @faults, 'the new ones get nothing';
    is_deeply(\@faults, [], "$when: nobody misses anything");

    @old = @new;

    return;
}
