# When nginx makes another generation of the channel, by a reload or a start,
# goim-job, which goes on all the time, publishes into it within a second.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(min);
use Test::More;
use Test::Goim tests => 2;
use Time::HiRes qw(time);

my $goim = Test::Goim->new(
    workers => 1, channel => 'size=64k',
    http => 'goim_handover off; goim_drain 300ms; '
        . 'goim_room live://* { backlog 64m; }')->start;
my $nginx = $goim->nginx;
my $stream = $goim->stream('live://1', count => 1e7, rate => 100);


# Seconds from when its workers answer to its first record.
sub is_fed {
    my ($before) = @_;

    my ($start, $status);

    wait_until(30, 'another generation to be fed', sub {
        $status = $goim->status;
        return if $status->{channel}{generation} == $before;

        $start ||= time;
        return $status->{lanes}[0]{seq} > 1;
    });

    return time - $start;
}


sub generation { return $goim->status->{channel}{generation} }


# on a machine that is busy one or another may take longer
my (@reload, @start);

for my $size ('128k', '64k', '128k', '64k') {
    my $before = generation();

    $goim->reload(channel => "size=$size");
    push @reload, is_fed($before);
}

cmp_ok(min(@reload), '<', 1, 'one that a reload has made')
    or diag("@reload");

for my $size ('128k', '64k', '128k', '64k') {
    my $before = generation();

    $nginx->stop;
    $nginx->write_conf(channel => "size=$size");
    $nginx->start;
    push @start, is_fed($before);
}

cmp_ok(min(@start), '<', 1, 'one that a start has made')
    or diag("@start");
