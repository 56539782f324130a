# A connection keeps its id in all hand-overs: kicks that name the one which
# goes, or stays, find the right one, also those that come while it is between
# two workers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Handover qw(offer gave_up);

use constant RIGHT =>
    '1008, 1008, behind the kicks, behind the kicks, 2 open';

my $goim = Test::Goim->new(workers => 1)->start;
my $nginx = $goim->nginx;
my @keys = qw(other-only only other-spare spare);
my (%client, %id);


sub id { return $goim->status("/goim/status?key=$_[0]")->{connection} }


sub connect_all {
    %client = map { $_ => $goim->connect_ws->join_room('live://1', key => $_) }
        @keys;
    %id = map { $_ => id($_) } @keys;
}


# Each of these means one connection, that of another client for two of them.
sub kick_all {
    $goim->kick(['other-only'], only => $id{only});
    $goim->kick(['only'], only => $id{only}, reason => 'it');
    $goim->kick(['other-spare'], spare => $id{spare}, reason => 'another');
    $goim->kick(['spare'], spare => $id{spare});
    $goim->push_room('live://1', 1000, 'behind the kicks');
}


# What has become of those that are meant, and of the others.
sub outcome {
    my @kicked = map { $client{$_}->expect_close(20) || 'open' }
        qw(only other-spare);
    my @stay = map { $client{$_}->next_body(20) || 'nothing' }
        qw(other-only spare);
    my $open = grep { $client{$_}->is_open } @keys;

    $_->disconnect for values %client;

    return join(', ', @kicked, @stay, "$open open");
}


sub wait_for_old {
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });
    $nginx->expect_workers;
}

# after it

connect_all();

for my $round (1, 2) {
    $goim->reload(workers => $round);
    wait_for_old();

    my %now = map { $_ => id($_) } @keys;
    is_deeply(\%now, \%id, "reload $round: ids are what they were");
}

kick_all();
is(outcome(), RIGHT, 'kicks find the ones they mean');

# in its middle: they are offered, and the one that is to take them stands
# still until kicks are there, unless it was too late

my ($outcome, $between);

for my $try (1 .. 5) {
    $goim->reload(workers => 1);
    wait_for_old();
    connect_all();

    my $before = gave_up($goim);
    my ($old, $still) = offer($goim, 1, 0);

    kick_all();
    CORE::kill('CONT', $still);
    wait_for_old();

    $outcome = outcome();
    $between = gave_up($goim) == $before;
    last if $between || $outcome ne RIGHT;
}

ok($between, 'kicks come while connections are between two workers');
is($outcome, RIGHT, 'and find the ones they mean');
