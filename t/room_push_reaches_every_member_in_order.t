# A message produced to a room reaches every member, on whichever worker,
# once and in order, and nobody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
    http => 'goim_room live://* { backlog 64m; }')->start;

my @members = $goim->connect_spread(5, {
    numbers => 1, token => { room_id => 'live://1' } });
my ($stranger) = $goim->connect_many(1, {
    token => { room_id => 'live://2' } });

$goim->push_room('live://1', 1000, 'hello');
$goim->push_room('live://1', 1001, '');
$goim->push_room('live://1', 70000, "\0\xff" x 40000);

my @first = map { $_->next_packet } @members;
my @second = map { $_->next_packet } @members;
my @third = map { $_->next_packet } @members;

is(scalar(grep { $_ && $_->{body} eq 'hello' && $_->{op} == 1000
                 && $_->{ver} == 1 && $_->{seq} == 0 && $_->{pushed} }
          @first),
   @members, 'the first message reaches every member, inside of op 9');
is(scalar(grep { $_ && $_->{body} eq '' && $_->{op} == 1001 } @second),
   @members, 'so does an empty one');
is(scalar(grep { $_ && $_->{body} eq "\0\xff" x 40000 && $_->{op} == 70000 }
          @third),
   @members, 'so does a large one, its bytes and its operation untouched');

my $count = $goim->sanitized ? 3000 : 20000;
my $stream = $goim->stream('live://1', count => $count);

is($goim->producer->wait_stream($stream), $count, 'a stream is produced');
ok($goim->all_reach($count, 20, @members), 'its end reaches every member');
is_deeply($goim->faults(1, $count, @members), [],
          'each number once and in order');

$goim->push_room('live://2', 1000, 'yours');
is($stranger->next_body, 'yours',
   'a member of another room gets what is for that room');
is_deeply([$stranger->bodies], [], 'and nothing else');
