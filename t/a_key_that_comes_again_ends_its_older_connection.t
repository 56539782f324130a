# A key belongs to the connection that came last.  On one worker the older one
# is ended at once; on another worker logic, which is told of both by session
# reports, ends it by a kick that spares the younger.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           http => 'goim_session /session interval=100ms;',
                           server => <<'SERVER')->start;
location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER


# What logic does: ids of the connections with a key, in the order they came.
sub ids {
    my ($key, $n) = @_;

    my %since;

    wait_until(30, undef, sub {
        %since = map { /^connect (\S+) \Q$key\E .* (\d+)$/mg }
            $goim->auth->bodies('/session');
        return keys %since >= $n;
    });

    my @ids = sort { $since{$a} <=> $since{$b} } keys %since;

    return @ids;
}


# A first connection, and a second on another worker, or on the same.
sub pair {
    my ($key, $same) = @_;

    my $first = $goim->connect_ws->auth({ key => $key,
                                          room_id => 'live://1' });
    my $worker = $goim->worker_of($first);

    # where the next one goes is the kernel's choice
    for (1 .. 200) {
        my $second = $goim->connect_ws;
        $second->response;

        if (($goim->worker_of($second) == $worker) == $same) {
            $second->auth({ key => $key, room_id => 'live://1' });
            return ($first, $second);
        }

        $second->disconnect;
    }

    die "no connection goes to the worker that is wanted\n";
}

my ($old, $new) = pair('here', 1);
is($old->expect_close, 1008, 'on one worker the older one is closed');
ok($new->is_open, 'the younger stays');

($old, $new) = pair('there', 0);
my @ids = ids('there', 2);
is(scalar @ids, 2, 'of two workers logic is told of both');
isnt($ids[0], $ids[1], 'by different ids');

$goim->kick(['there'], spare => $ids[1], reason => 'replaced');
is($old->expect_close, 1008, 'its kick ends the older one');
is($old->{close_reason}, 'replaced', 'and says why');

$goim->push_room('live://1', 1000, 'still there');
is($new->next_body, 'still there', 'but not the younger');

my $said;
ok(wait_until(30, undef, sub {
       ($said) = map { /^disconnect \Q$ids[0]\E there \S+ (\S+)$/mg }
           $goim->auth->bodies('/session');
       return $said;
   }), 'the end is reported by the id, not the key');
is($said, 'kick', 'with its reason');
is(scalar(grep { /^disconnect \Q$ids[1]\E /m }
          $goim->auth->bodies('/session')), 0,
   'the younger one is not said to have gone');
