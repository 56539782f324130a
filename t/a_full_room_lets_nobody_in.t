# max_members bounds a room over all workers of the host, on both transports:
# who is one too many is told to try later, or stays in the room it is in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           http => <<'HTTP', servers => '%%TCP_SERVER%%')->start;
goim_room small://* { max_members 4; }
HTTP

my @in = map { $goim->connect_ws->join_room('small://1') } 1 .. 3;
push @in, $goim->connect_tcp->auth({ room_id => 'small://1' });

my $many = $goim->connect_ws(token => { room_id => 'small://1', key => 'k' });
is($many->expect_close, 1013, 'one too many is told to try later');
my $tcp = $goim->connect_tcp(token => { room_id => 'small://1' });
is($tcp->expect_close, 'eof', 'or just closed, on TCP');

my $other = $goim->connect_ws->join_room('small://2');
$other->send_packet(12, 'small://1');
is($other->reply(13)->{body}, 'small://1', 'a change gets the usual reply');
is($other->heartbeat, 1, 'but the client stays where it is');
$goim->push_room('small://2', 1000, 'here');
is($other->next_body, 'here', 'and gets that room\'s messages');

$in[0]->send_packet(12, 'small://1');
is($in[0]->reply(13)->{body}, 'small://1', 'one\'s own room is never full');
is($in[0]->heartbeat, 4, 'one stays in it');

my $total = $goim->status->{total};
is($total->{room_full}, 3, 'each time it is counted');
is($total->{closed_refusal}, 2, 'as a refusal where a connection ends');

# a place becomes free

$in[1]->close_politely;
$in[1]->expect_close;
ok(wait_until(20, undef, sub { $in[0]->heartbeat == 3 }), 'one leaves');

$other->send_packet(12, 'small://1');
$other->reply(13);
is($other->heartbeat, 4, 'another one takes its place');
is($goim->connect_ws(token => { room_id => 'small://1' })->expect_close, 1013,
   'and it is full again');

my @free = map { $goim->connect_ws->join_room('large://1') } 1 .. 6;
is($free[0]->heartbeat, 6, 'other rooms have no limit');

$goim->push_room('small://1', 1000, 'end');
is($_->next_body, 'end', 'members get the room\'s messages') for $in[3];
