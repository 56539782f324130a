# A member has no more connections than connections_per_mid, on all comets
# together; a key that comes again takes its own place, and a place that is free
# again is another's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 20;

for my $redis (0, 1) {
    my $store = $redis ? 'redis' : 'memory';
    my $one = Test::Goim->new(
        redis => $redis,
        logic => { auth => { connections_per_mid => 2 } })->start;
    my $two = Test::Goim->new(
        logic => $one, server_id => 'comet-2',
        job => { job => { server_id => 'comet-2' } })->start;

    my ($a, $b) = map { $_->connect_ws->auth({ mid => 5 }) } $one, $two;

    is($one->connect_ws(token => { mid => 5 })->expect_close, 1013,
       "$store: one too many is told to try later");
    is($two->connect_ws(token => { mid => 5, key => 'k' })->expect_close, 1013,
       "$store: on every comet");
    ok($one->connect_ws->auth({ mid => 6 }), "$store: another member is not");
    ok($one->connect_ws->auth({ key => $_ }), "$store: nor who is none")
        for 'x', 'y', 'z';

    $b->close_politely;
    $b->expect_close;

    my $keyed;
    ok(wait_until(20, undef, sub {
        $keyed = $two->connect_ws(token => { mid => 5, key => 'k' });
        wait_until(10, 'an answer', sub {
            $keyed->is_authenticated || $keyed->is_closed });
        return $keyed->is_authenticated;
    }), "$store: a place that is free again is taken");
    ok($two->connect_ws->auth({ mid => 5, key => 'k' }),
       "$store: and by the same key once more");
    is($keyed->expect_close, 1008, "$store: which ends the older one");

    my ($limited) = $one->ask_logic('/metrics')->{body}
        =~ /^goim_logic_auth_limited_total (\d+)/m;
    cmp_ok($limited, '>=', 2, "$store: refusals are counted");
}
