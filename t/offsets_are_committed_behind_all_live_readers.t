# An offset is committed once every live worker has read what lies before
# it; one that is outside of Kafka's log is corrected, even backwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           channel => 'size=1m stall=60s', http => <<'HTTP')
goim_room live://* { backlog 64m; }
HTTP
    ->start;
my $room = 'live://1';
my @clients = $goim->connect_spread(1, {
    token => { room_id => $room, test => { heartbeat => 600 } } });
my ($one, $two) = @clients[0, -1];


sub committed { return $goim->committed('goim-push-comet-1', 0) }


# Whether the commit comes to an offset.
sub commit_reaches {
    my ($offset) = @_;

    my $now;
    my $reached = wait_until(10, undef, sub {
        $now = committed();
        return defined $now && $now == $offset;
    });
    diag('committed: ' . (defined $now ? $now : 'nothing')) if !$reached;

    return $reached;
}


my $offset = $goim->push_room($room, 1000, 'first')->[1];
ok(commit_reaches($offset + 1), 'what all have read is committed');

# a worker that does not read

my $stopped = $goim->worker_of($two);
$goim->kill_worker('STOP', $stopped);
my $before = committed();

# each reaches the other worker's client, and a wrong commit would follow
# within a second: it is waited for
for my $round (1 .. 3) {
    $goim->push_room($room, 1000, "round $round");
    wait_until(5, 'the other worker', sub {
        return grep { $_->{body} eq "round $round" } @{$one->{packets}};
    });
    wait_until(0.4, undef, sub { committed() != $before })
        and last;
}
is(committed(), $before,
   'as long as one worker has not read, nothing behind is committed');

# nor does an orderly end of goim-job commit it

is($goim->job->stop, 0, 'goim-job ends');
is(committed(), $before, 'and has committed no more');
$goim->job->start;

kill('CONT', $stopped);
ok(commit_reaches($before + 3), 'when it has read, the commit follows');
is_deeply([map { $two->next_body } 1 .. 4],
          ['first', map { "round $_" } 1 .. 3],
          'and its client has everything once');

# an offset beyond the end of the log: the topic was made anew

my $status = $goim->status;
is($status->{lanes}[0]{job}{offset_resets}, 0, 'no offset was lost so far');

my $fresh = Test::Goim->new(auth => 0, nginx => 0, job => 0);
$fresh->start_kafka;
$goim->job->write_conf({ kafka => { brokers => $fresh->kafka->bootstrap } });
$goim->job->restart;
$fresh->push_room($room, 1000, 'anew');
is($one->take(sub { $_[0]{body} eq 'anew' }, 20) && 'anew', 'anew',
   'a log that was made anew is read from its beginning');
is($goim->status->{lanes}[0]{job}{offset_resets}, 1, 'which is counted');

# an offset before its beginning: what the mock keeps is 5 MB

$goim->job->stop;
my $body = 'x' x 200_000;
$fresh->push_room($room, 1000, "$_ $body") for 1 .. 40;
$fresh->push_room($room, 1000, 'end');
$goim->job->start;

my @got;
while (defined(my $got = $two->next_body)) {
    last if $got eq 'end';
    push @got, $got =~ /^(\d+) /;
}
cmp_ok(scalar @got, '>', 5, 'of a log that was cut the rest is read');
is(join(',', @got), join(',', $got[0] .. 40), 'from its first message on');
