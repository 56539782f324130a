# goim-job and workers are killed and stopped, nginx is reloaded with another
# configuration, brokers come and go, all at random and over each other: as long
# as a connection lasts it gets each number once and in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;
use Test::Goim::Chaos;

my $chaos = Test::Goim::Chaos->new(
    clients => 60, rate => Test::Goim->sanitized ? 20 : 50);
my $goim = $chaos->goim;

$chaos->run($ENV{GOIM_CHAOS_SECONDS} || 12,
            qw(job worker reload stop_worker stop_job broker churn));
$chaos->calm;

is_deeply($chaos->end, [], 'nothing is lost, doubled or out of order: '
          . $chaos->text);
cmp_ok($chaos->numbers, '>', 1000, 'of the ' . $chaos->numbers . ' numbers');

my $total = $goim->status->{total};
is($total->{drop_missed} + $total->{channel_damaged}, 0,
   'no worker has missed anything');
is($total->{workers}, $goim->nginx->workers, 'no slot is left');

is(scalar $goim->generations, 1, 'nor a generation of the channel');
