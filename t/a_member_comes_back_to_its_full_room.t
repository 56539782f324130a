# A client that connects anew (its network has changed, the old connection is
# not yet missed) replaces itself: its own place in a full room is free for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

my $goim = Test::Goim->new(workers => 1, kafka => 0, http => <<'HTTP')->start;
goim_room small://* { max_members 2; }
HTTP

my $old = $goim->connect_ws->join_room('small://1', key => 'me');
my $other = $goim->connect_ws->join_room('small://1');

my $new = $goim->connect_ws->join_room('small://1', key => 'me');
is($new->heartbeat, 2, 'a member is let in again');
is($old->expect_close, 1008, 'instead of its old connection');

is($goim->connect_ws(token => { room_id => 'small://1' })->expect_close, 1013,
   'for others the room is full');

my $elsewhere = $goim->connect_ws->join_room('small://2', key => 'you');
my $here = $goim->connect_ws(token => { room_id => 'small://1',
                                        key => 'you' });
is($here->expect_close, 1013, 'also for one who is in another room');
