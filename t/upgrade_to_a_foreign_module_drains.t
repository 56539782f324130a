# SIGUSR2 to a module whose hand-over speaks another version: nothing is offered
# to it, and connections are let go over goim_drain at once, and counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Upgrade qw(upgrade_options replace);

my $n = 20;
my $goim = Test::Goim->new(
    upgrade_options(), workers => 1, http => 'goim_drain 300ms;');
replace($goim, 'first');
$goim->start;

my $nginx = $goim->nginx;
my @clients = $goim->connect_many($n, { token => { room_id => 'live://1' } });

replace($goim, 'foreign');
$nginx->upgrade;
is($goim->status->{total}{connections}, $n, 'both are there');

$nginx->quit_old;
wait_until(30, 'the old master to end', sub { !$nginx->old_alive });

is(join(' ', map { $_->expect_close || '-' } @clients),
   join(' ', (1012) x $n), 'all are told to come again');

my $ended = $goim->status->{ended};
is($ended->{handover_drained}, $n, 'and counted');
is($ended->{moved_out} + $ended->{handover_back} + $ended->{handover_refused},
   0, 'none was offered');
is($ended->{workers}, 1, 'by one worker');
like($goim->error_log, qr/no worker takes the $n connections/, 'which says so');
