# A client that is connected changes its room, and the operations whose
# pushes to its key reach it; the replies bring the request's body back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

my $goim = Test::Goim->new(workers => 1)->start;

my ($client, $other) = $goim->connect_many(2, {
    token => { room_id => 'live://1' } });
my $key = 'changing';
my $one = $goim->connect_ws->join_room('live://1', key => $key,
                                       accepts => [1000]);

# rooms

is_deeply(exchange($one, 12, 4, 'live://2'), [13, 4, 'live://2'],
          'op 12 is answered by op 13 and its body');

$goim->push_room('live://1', 1000, 'old');
is($client->next_body, 'old', 'the old room has its message');
$goim->push_room('live://2', 1000, 'new');
is($one->next_body, 'new', 'who has left it gets the new one\'s only');

exchange($one, 12, 5, 'live://2');
$goim->push_room('live://2', 1000, 'again');
is($one->next_body, 'again', 'changing into one\'s own room keeps one there');

is_deeply(exchange($one, 12, 6, "bad\x01name"), [13, 6, "bad\x01name"],
          'a name that is none is answered alike');
$goim->push_room('live://2', 1000, 'still');
is($one->next_body, 'still', 'and changes nothing');

is(unpack('N', exchange($one, 2, 7, '')->[2]), 1,
   'the heartbeat counts the new room');
exchange($one, 12, 8, '');
is(unpack('N', exchange($one, 2, 9, '')->[2]), 0, 'an empty name: no room');
is($goim->status->{total}{rooms}, 1, 'a room without members is gone');

# operations

is_deeply(exchange($one, 14, -9, '1003,1001'), [15, -9, '1003,1001'],
          'op 14 is answered by op 15 and its body');
$goim->push_keys([$key], $_, "to $_") for 1000 .. 1004;
is(join('|', map { $one->next_body } 1 .. 3), 'to 1000|to 1001|to 1003',
   'what was added reaches it as well');

is_deeply(exchange($one, 16, 10, '1000,1003,7'), [17, 10, '1000,1003,7'],
          'op 16 is answered by op 17 and its body');
exchange($one, 14, 11, '1005,x');
$goim->push_keys([$key], $_, "then $_") for 1000 .. 1005;
$goim->push_keys([$key], 1001, 'end');
is(join('|', map { $one->next_body } 1 .. 2), 'then 1001|end',
   'what was taken away does not; one bad number adds none');

is_deeply([$other->bodies], ['old'], 'nobody else notices');


# Sends a packet; the reply's op, seq and body.
sub exchange {
    my ($client, $op, $seq, $body) = @_;

    $client->send_packet($op, $body, seq => $seq);

    my $reply = $client->reply($op + 1);

    return $reply && [$reply->{op}, $reply->{seq}, $reply->{body}];
}
