# flush holds a room's messages back for a time, so that many go out at once;
# without it a message goes at once.  Nothing is held back beyond the backlog,
# or when a connection ends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 42;

my $goim = Test::Goim->new(workers => 1, http => <<'HTTP')->start;
goim_room held://* { flush 5s; backlog 1m; }
    goim_room long://* { flush 1m; backlog 8k; }
    goim_room short://* { flush 1ms; }
    goim_room counted://* { flush 1m count 5; }
    goim_handover off; goim_drain 1s;
HTTP


# Pushes one after the other, each read by the worker before the next: were
# they not held back, each would be a batch.
sub push_slowly {
    my ($room, @bodies) = @_;

    for my $body (@bodies) {
        my $before = $goim->status->{total}{records};
        $goim->push_room($room, 1000, $body);
        wait_until(20, 'the push to be read', sub {
            return $goim->status->{total}{records} > $before;
        });
    }
}


# How many system calls it takes to bring messages to their room's one member.
sub sends {
    my ($client, $room, @bodies) = @_;

    my $before = $goim->status->{total}{sends};

    push_slowly($room, @bodies);
    is($client->next_body, $_, "$room: message $_ arrives") for @bodies;

    return $goim->status->{total}{sends} - $before;
}


my $free = $goim->connect_ws->join_room('free://1');
is(sends($free, 'free://1', 1 .. 5), 5,
   'without flush each message goes at once');

my $held = $goim->connect_ws->join_room('held://1');
cmp_ok(sends($held, 'held://1', 1 .. 10), '<', 6,
       'with it many go out together');

my $counted = $goim->connect_ws->join_room('counted://1');
push_slowly('counted://1', 1 .. 4);
is($goim->status->{total}{pending} > 0, 1, 'four wait for a fifth');
push_slowly('counted://1', 5 .. 9);
is($counted->next_body, $_, "message $_ of a batch arrives") for 1 .. 5;
is(join(' ', $counted->bodies), '', 'the next four wait again');

my $short = $goim->connect_ws->join_room('short://1');
cmp_ok(sends($short, 'short://1', 1 .. 3), '>=', 1, 'one flush after another');

# what is held back for a minute

my $long = $goim->connect_ws->join_room('long://1');
push_slowly('long://1', 'a');
is($long->heartbeat, 1, 'a heartbeat is answered meanwhile');
is($long->next_body, 'a', 'and brings along what is pending');

push_slowly('long://1', map { $_ x 3000 } 'b' .. 'd');
is(length $long->next_body, 3000, 'more than the backlog is not held back')
    for 1 .. 3;

push_slowly('long://1', 'before the change');
$long->send_packet(12, 'long://2');
is($long->next_body, 'before the change',
   'who changes its room gets what is pending');
is($long->reply(13)->{body}, 'long://2', 'and is in the other one');

my $kicked = $goim->connect_ws->join_room('long://2', key => 'kicked');
push_slowly('long://2', 'before the kick');
$goim->kick(['kicked']);
is($kicked->next_body, 'before the kick', 'as does who is kicked');
is($kicked->expect_close, 1008, 'before it is closed');
is($long->heartbeat, 1, 'while the others wait');
is($long->next_body, 'before the kick', 'for what they get later');

my $gone = $goim->connect_ws->join_room('long://3');
push_slowly('long://3', 'for nobody');
my $rooms = $goim->status->{total}{rooms};
$gone->disconnect;
ok(wait_until(20, undef, sub {
    return $goim->status->{total}{rooms} == $rooms - 1;
}), 'a room that all have left waits for nothing');

push_slowly('long://2', 'last');
$goim->reload;
is($long->next_body, 'last', 'who is let go gets what is pending');
is($long->expect_close(30), 1012, 'before it is closed');

