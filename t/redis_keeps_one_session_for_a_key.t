# A key stands for the youngest connection that came with it, in Redis as in
# memory: older ones are kicked, and what their end says later is not heard.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 2 * 28 + 2;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my $redis = $goim->add_redis->start;

for my $kind ('Redis', 'memory') {
    my $store = $goim->add_store(
        $kind eq 'Redis' ? (servers => [$redis]) : ())->ready;

    my $is = sub {
        my ($command, $answer, $name) = @_;
        is($store->ask($command), $answer, "$kind: $name");
    };
    my $report = sub {
        my ($head, $lines, $answer, $name) = @_;
        is($store->report($head, @$lines), $answer, "$kind: $name");
    };

    # when it is authenticated
    $is->('connect k 7 s1 c1 1000', 'ok', 'a connection comes');
    $is->('keys k x', 'ok k@s1 x@', 'its key is found, another is not');
    $is->('mids 7 8', 'ok k@s1', 'and its member');
    $is->('connect k 7 s2 c2 2000', 'ok k@s1!c2<c1', 'a younger kicks it');
    $is->('keys k', 'ok k@s2', 'and takes its place');
    $is->('mids 7', 'ok k@s2', 'also as the member\'s');
    $is->('connect k 7 s1 c0 1500', 'ok k@s1!c2<c0',
          'an older that comes later is kicked itself');
    $is->('keys k', 'ok k@s2', 'and takes no place');
    $is->('connect k 7 s3 c3 2000', 'ok k@s2!c3<c2',
          'of two with the same time the one that is told of later stays');

    # what workers report
    $report->('s3 0 10 complete 1', ['connect c3 k 7 tcp 10.0.0.1 2000'],
              'ok', 'a worker reports the connection');
    $report->('s2 0 10 complete 0', ['disconnect c2 k 7 client'], 'ok',
              'the end of an older one is reported late');
    $is->('keys k', 'ok k@s3', 'and leaves the key alone');
    $is->('mids 7', 'ok k@s3', 'and the member');
    $report->('s1 0 10 complete 1', ['connect c0 k 7 tcp 10.0.0.1 1500'],
              'ok k@s1!c3<c0', 'an older one is reported, and kicked');
    $report->('s1 0 10 complete 1', ['renew c0 k 7'], 'ok k@s1!c3<c0',
              'and kicked again when it is renewed');
    $report->('s3 0 10 complete 1', ['renew c3 k 7'], 'ok',
              'the younger is renewed');
    $report->('s3 0 10 complete 0', ['disconnect c3 k 7 client'], 'ok',
              'the connection ends');
    $is->('keys k', 'ok k@', 'its key is nowhere');
    $is->('mids 7', 'ok', 'nor is its member');

    # within one report, and twice
    my @lines = ('connect a1 a 9 tcp 10.0.0.1 3000',
                 'disconnect a1 a 9 client',
                 'connect a2 a 9 tcp 10.0.0.1 3001',
                 'connect b1 b 9 tcp 10.0.0.1 3002');
    $report->('s3 0 10 complete 2', \@lines, 'ok',
              'a report tells of a connection that was replaced');
    $is->('mids 9', 'ok a@s3 b@s3', 'those that stay are found');

    like($store->report('s3 0 10 complete 2', @lines),
         qr/^ok( a\@s3!a2<a1)?$/, "$kind: the same report comes again");
    $is->('mids 9', 'ok a@s3 b@s3', 'and changes nothing');

    # a member changes with the key
    $is->('connect a 10 s1 a3 4000', 'ok a@s3!a3<a2',
          'a key comes with another member');
    $is->('mids 9', 'ok b@s3', 'who is not found by the old one');
    $is->('mids 10', 'ok a@s1', 'but by the new one');

    # what the store has lost
    $report->('s1 0 10 complete 1', ['renew n1 n 11'], 'ok',
              'one that is not known is renewed');
    $is->('keys n', 'ok n@s1', 'and there again');
}

# two goim-logic at once: the other's younger connection has its member already
# when ours, which was first with the key, comes to it
my $store = $goim->add_store(servers => [$redis])->ready;
my $until = (time + 1000) . '000';
$redis->command('HSET', 'mid_20', 'r', 's2');
$redis->command('HSET', 'goim:mid:20', 'r', "2000 5 $until r2");
$store->ask('connect r 20 s1 r1 1000');
is($store->ask('mids 20'), 'ok r@s2', 'a member keeps the younger connection');
$store->report('s1 0 10 complete 0', 'disconnect r1 r 20 client');
is($store->ask('mids 20'), 'ok r@s2', 'when the older one ends, too');
