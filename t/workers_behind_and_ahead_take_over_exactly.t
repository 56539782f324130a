# A worker that takes connections over may have read less of the channel than
# the one that had them, or more: each connection goes on exactly where it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Handover qw(offer gave_up);

my $goim = Test::Goim->new(workers => 1, channel => 'size=16m',
                           http => 'goim_room live://* { backlog 64m; }')
    ->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(10, $member);
my $next = 1;


# So many numbers to the room.
sub numbers {
    my ($n, $size) = @_;

    $goim->producer->wait_stream($goim->stream(
        'live://1', first => $next, count => $n, size => $size));
    $next += $n;
}


numbers(20, 8);
ok($goim->all_reach($next - 1, 20, @clients), 'messages arrive');


# What is published before the old worker goes on, and after it has offered. If
# this takes too long the offer goes back, and it is tried again.
sub in_the_middle {
    my ($before, $after) = @_;

    for my $try (1 .. 5) {
        my $late = gave_up($goim);

        my ($old, @still) = offer($goim, 2, 1, before => $before);
        $after->() if $after;
        CORE::kill('CONT', @still);

        wait_until(20, 'the old worker to end', sub {
            return !$nginx->old_worker_pids && $goim->worker_pids == 2;
        });
        $goim->reload(workers => 1);
        wait_until(20, 'and the others', sub { !$nginx->old_worker_pids });

        return $goim->all_reach($next - 1, 20, @clients)
            if gave_up($goim) == $late;
    }

    return;
}


# behind by more than a turn reads; and ahead of it

ok(in_the_middle(sub { numbers(30, 100_000) }), 'who is behind has it first to read');
ok(in_the_middle(sub { }, sub {
    numbers(10, 8);

    # one that does not stand still sees them in the channel
    wait_until(10, undef, sub {
        return $goim->status->{lanes}[0]{seq} >= $next;
    });
}), 'who is ahead gives them what they miss');
is_deeply($goim->faults(undef, $next - 1, @clients), [],
          'each went on exactly where it was');
is(scalar(grep { $_->is_closed } @clients), 0, 'over the same connection');
