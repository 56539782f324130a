# While connections go from worker to worker, and while nobody has said yet who
# takes them, a room's members are never counted as fewer than they are: by the
# status, and in answers to heartbeats, each of which comes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use List::Util qw(min);
use Test::More;
use Test::Goim tests => 11;

use Test::Goim::Handover qw(offer gave_up);

# more than a slice takes
use constant MEMBERS => 300;

my $goim = Test::Goim->new(workers => 1)->start;
my $nginx = $goim->nginx;
my @clients = map {
    $goim->connect_many(100, { token => { room_id => 'live://1' } })
} 1 .. MEMBERS / 100;

my $asked = 0;
my @told;


# Asks once more: the status, and a client.
sub sample {
    my $answer = $nginx->get('/goim/status?room=live://1');

    push @told, JSON::PP->new->decode($answer->{body})->{host};
    $clients[$asked++ % MEMBERS]->send_packet(2, '');
}


# Asks all the time until something is so.
sub sample_until {
    my ($what, $condition) = @_;

    my $before = $asked;

    return wait_until(30, $what, sub {
        sample();
        return $asked - $before > 20 && $condition->();
    });
}


sub check {
    my ($name) = @_;

    sample_until('old workers to end', sub { !$nginx->old_worker_pids });
    $nginx->expect_workers;

    is(min(splice(@told)), MEMBERS, "$name: the status tells of no fewer");
}


# nobody has said yet who takes them

my ($old, $still) = offer($goim, 2, 1);
sample_until('one not to answer', sub { gave_up($goim) });
CORE::kill('CONT', $still);
check('under way');

# other numbers of workers

my $workers = 2;

for my $next (3, 1, 2, 1) {
    my %old = map { $_ => 1 } $goim->worker_pids;

    $nginx->write_conf(workers => $next);
    CORE::kill('HUP', $nginx->pid);
    sample_until('new workers', sub {
        my @now = $goim->worker_pids;
        return @now == $next && !grep { $old{$_} } @now;
    });
    check("from $workers workers to $next");
    $workers = $next;
}

sample();
is($told[0], MEMBERS, 'nor of more, in the end');
is($clients[0]->heartbeat, MEMBERS, 'nor is a client');

my @heard;

for my $i (0 .. $asked - 1) {
    my $reply = $clients[$i % MEMBERS]->reply(3) or last;
    push @heard, unpack('N', $reply->{body});
}

is(scalar @heard, $asked, 'each heartbeat was answered');
is(min(@heard), MEMBERS, 'and the answers told of no fewer');
is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is closed');
is($goim->counted('handover_drained'), 0, 'or let go');
