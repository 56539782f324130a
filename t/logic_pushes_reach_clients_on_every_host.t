# The whole way: a push over HTTP to goim-logic, through Kafka and goim-job, to
# clients on two hosts that goim-logic has authenticated; keys and members are
# found where they are, and op 3 counts both hosts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 23;

my $one = Test::Goim->new(logic => 1, servers => '%%TCP_SERVER%%')->start;
my $two = Test::Goim->new(
    logic => $one, server_id => 'comet-2', servers => '%%TCP_SERVER%%',
    job => { job => { server_id => 'comet-2' } })->start;


# A push; whether it was answered as goim does.
sub push_to {
    my ($path, $body) = @_;

    my $answer = $one->ask_logic("/goim/push/$path", method => 'POST',
                                 body => $body);

    return $answer->{status} == 200
        && $answer->{body} eq '{"code":0,"message":""}';
}


my $room = 'live://1000';
my $ws = $one->connect_ws->auth(
    { mid => 7, key => 'ws', room_id => $room, accepts => [1000] });
my $tcp = $two->connect_tcp->auth(
    { mid => 7, key => 'tcp', room_id => $room, accepts => [1000, 1001] });
my $other = $two->connect_ws->auth(
    { mid => 8, key => 'other', room_id => 'live://2000',
      accepts => [1000] });

ok(push_to('room?operation=1000&type=live&room=1000', 'to the room'),
   'a push to a room is acknowledged');
is($_->next_body, 'to the room', 'a member on each host gets it') for $ws, $tcp;

ok(push_to('keys?operation=1000&keys=ws&keys=other&keys=nobody', 'to keys'),
   'a push to keys is acknowledged');
is($_->next_body, 'to keys', 'each key gets it') for $ws, $other;

ok(push_to('mids?operation=1000&mids=7&mids=99&mids=7', 'to a member'),
   'a push to members is acknowledged');
is($_->next_body, 'to a member', 'all connections of a member get it')
    for $ws, $tcp;

ok(push_to('all?operation=1001', 'to all'),
   'a broadcast is acknowledged');
is($tcp->next_body, 'to all', 'who accepts the operation gets it');

ok(push_to('all?operation=1000&speed=1000', 'to all again'),
   'a broadcast with a speed is acknowledged');
is($_->next_body, 'to all again', 'everybody else got nothing before')
    for $ws, $other, $tcp;

# goim v1's
$one->ask_logic('/1/pushs', method => 'POST',
                body => '{"m": {"a": [1, 2]} ,"u":[7, 99, 7]}');
is($_->next_body, '{"a": [1, 2]}', 'what /1/pushs has as m, byte for byte')
    for $ws, $tcp;

# a client's own message

$ws->send_packet(4, 'from a client');
is($ws->reply(5)->{body}, '{"code":0}', 'operation 4 is answered');
is($_->next_body, 'from a client', 'and reaches the room') for $ws, $tcp;

# how many are there

ok(wait_until(30, undef, sub { $ws->heartbeat == 2 }),
   'operation 3 counts the members on both hosts');
$tcp->disconnect;
ok(wait_until(30, undef, sub { $ws->heartbeat == 1 }),
   'and notices when one leaves');

# what goes on after that reaches only who is left

push_to('mids?operation=1000&mids=7', 'the last');
is($ws->next_body, 'the last', 'a member with one connection less');
