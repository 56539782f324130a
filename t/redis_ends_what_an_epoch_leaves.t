# A worker's sessions and counts belong to its epoch: a later one ends them
# once it is complete, as does its own last report; in Redis as in memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 2 * 27 + 3;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;

# epochs are times in ns: numbers that no floating point holds
my $e = '179580782859700000';
my $store;


sub is_soon {
    my ($command, $answer, $name) = @_;

    my $got;
    wait_until(20, undef, sub {
        return ($got = $store->ask($command)) eq $answer;
    });
    is($got, $answer, $name);
}


for my $kind ('Redis', 'memory') {
    $store = $goim->add_store(
        $kind eq 'Redis' ? (servers => [$redis]) : ())->ready;

    my $is = sub {
        my ($command, $answer, $name) = @_;
        is($store->ask($command), $answer, "$kind: $name");
    };
    my $soon = sub {
        my ($command, $answer, $name) = @_;
        is_soon($command, $answer, "$kind: $name");
    };
    my $report = sub {
        my ($head, $lines, $answer, $name) = @_;
        is($store->report($head, @$lines), $answer, "$kind: $name");
    };

    $report->("s1 0 ${e}1 complete 3",
              ['connect c1 k1 1 tcp 10.0.0.1 1000',
               'connect c2 k2 2 tcp 10.0.0.2 1000',
               'connect c3 k3 3 tcp 10.0.0.2 1000',
               'room r://1 2', 'room r://2 1'],
              'ok', 'a worker tells of its connections');
    $report->("s1 1 ${e}1 complete 1",
              ['connect d1 j1 1 tcp 10.0.0.1 1000', 'room r://1 1'],
              'ok', 'and another one');
    $report->("s2 0 ${e}9 complete 1",
              ['connect f1 i1 1 tcp 10.0.0.1 1000', 'room r://1 1'],
              'ok', 'and one of another server');
    $is->('online', 'ok room:r://1=4 room:r://2=1 s1=4/2 s2=1/1',
          'all are online');

    # killed, and followed by another
    $report->("s1 0 ${e}2 partial 1",
              ['connect e1 k1 1 tcp 10.0.0.3 2000'],
              'ok k1@s1!e1<c1', 'a later one begins');
    $report->("s1 0 ${e}2 partial 1", ['room r://1 1'], 'ok',
              'and tells of a room');
    $is->('online', 'ok room:r://1=3 room:r://2=1 s1=2/3 s2=1/1',
          'that counts once, others still from the earlier one')
        if $kind eq 'Redis';
    $is->('keys k1 k2 k3', 'ok k1@s1 k2@s1 k3@s1',
          'sessions of the earlier one are still there');
    $report->("s1 0 ${e}2 complete 1", ['renew e1 k1 1', 'room r://1 1'],
              'ok', 'the later one is complete');
    $report->("s1 0 ${e}1 complete 4", ['connect c9 k9 9 tcp ::1 3000'],
              'ok', 'a late report of the earlier one');
    $is->('keys k9', 'ok k9@', 'is ignored');
    $soon->('keys k1 k2 k3', 'ok k1@s1 k2@ k3@',
            'the earlier one\'s sessions end');
    $soon->('mids 1 2 3', 'ok i1@s2 j1@s1 k1@s1', 'also the members\'');
    $soon->('online', 'ok room:r://1=3 s1=2/2 s2=1/1', 'and its counts');

    # the same connections again, in a new epoch
    $report->("s1 1 ${e}2 complete 1",
              ['connect d1 j1 1 tcp 10.0.0.1 1000', 'room r://1 1'],
              'ok', 'a worker tells of everything again');
    $is->('online', 'ok room:r://1=3 s1=2/2 s2=1/1', 'which changes nothing');

    # only when the earlier one is done with
    $report->("s1 9 ${e}1 complete 1", ['connect z1 z1 1 tcp ::1 1'], 'ok',
              'somebody is there for a moment');
    $report->("s1 9 ${e}2 complete 0", [], 'ok', 'and gone');
    $soon->('keys z1 j1', 'ok z1@ j1@s1',
            'connections that both epochs have told of stay');
    $is->('mids 1', 'ok i1@s2 j1@s1 k1@s1', 'also their members');

    # the last report
    $report->("s1 1 ${e}2 last 0", ['disconnect d1 j1 1 client'], 'ok',
              'a worker ends');
    $report->("s1 1 ${e}2 last 0", ['disconnect d1 j1 1 client'], 'ok',
              'and says so twice');

    if ($kind eq 'Redis') {
        $report->("s1 1 ${e}2 complete 1", ['connect y1 y1 0 tcp ::1 5000'],
                  'ok', 'and what it said before comes late');
        $is->('keys y1', 'ok y1@', 'which is not heard');
    }

    $soon->('online', 'ok room:r://1=2 s1=1/1 s2=1/1', 'its counts end');
    $report->("s2 0 ${e}9 last 0", [], 'ok', 'another ends without a word');
    $soon->('keys i1', 'ok i1@', 'and so do its sessions');

    # what is lost
    $report->("s1 2 ${e}5 complete 100", ['renew x1 x1 0'], 'ok resync',
              'more connections than are known have to be told again');
    $report->("s1 2 ${e}5 complete 100", ['renew x2 x2 0'], 'ok',
              'which is asked for once');
    $report->("s1 2 ${e}6 complete 1", ['connect x1 x1 0 tcp ::1 1'], 'ok',
              'until the next epoch');
}
