# When its connection ends the JavaScript client comes back, after pauses that
# grow, into the room it was last in and with its operations.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use List::Util qw(min);
use Test::More;
use Test::Goim tests => 22;

use Test::Goim::Util qw(reserve_ports);

my $goim = Test::Goim->new(workers => 1, http => 'goim_handover off; goim_drain 1s;')->start;

my $client = $goim->js_client(minDelay => 20, maxDelay => 200, token => {
    key => 'k', room_id => 'live://1', accepts => [1000, 1001] });

# wanted before there is a connection at all

is_deeply($client->ask('subscribe', [1002]), { value => JSON::PP::false },
          'nobody answers without a connection');
$client->connected;
is(token_now()->{room_id}, 'live://1', 'the token\'s room is the first');
is(join(',', @{token_now()->{accepts}}), '1000,1001,1002',
   'with what was wanted already');

$client->ask('changeRoom', 'live://2');
$client->ask('unsubscribe', [1000]);

# a worker that dies

$goim->kill_worker('KILL', 0);
my $close = $client->event('close');
is_deeply([@$close{qw(code willReconnect)}], [1006, JSON::PP::true],
          'a broken connection is told');
cmp_ok($close->{delay}, '>=', 10, 'with the pause that follows');
cmp_ok($close->{delay}, '<=', 20, 'which is short at first');

$client->event('open');
is(token_now()->{room_id}, 'live://2', 'it comes back into its last room');
is(join(',', @{token_now()->{accepts}}), '1001,1002', 'with its operations');
$goim->push_room('live://1', 1000, 'elsewhere');
$goim->push_room('live://2', 1000, 'here');
is($client->next_text, 'here', 'and gets its pushes');

# one that leaves

$goim->reload;
is($client->event('close', 30)->{code}, 1012, 'a reload sends it away');
$client->event('open');
$goim->push_room('live://2', 1000, 'here again');
is($client->next_text, 'here again', 'and it comes back');

$client->ask('changeRoom', '');
$goim->reload;
$client->event('close', 30);
$client->event('open');
is(token_now()->{room_id}, '', 'who was in no room comes back into none');

# a token that only the auth service understands

my $opaque = $goim->js_client(minDelay => 20, token => encode_json({
    key => 'o', room_id => 'live://1', accepts => [1000, 1001] }));
$opaque->ask('changeRoom', 'live://3');
$opaque->connected;
$opaque->ask('subscribe', [1002]);
$opaque->ask('unsubscribe', [1000]);
$goim->reload;
$opaque->event('close', 30);
$opaque->event('open');
is(token_now('o')->{room_id}, 'live://1', 'a text goes as it is');

# what was wanted beyond it is asked for before the heartbeat
$opaque->event('online') for 1 .. 2;
$goim->push_room('live://1', 1000, 'in one');
$goim->push_room('live://3', 1000, 'in three');
is($opaque->next_text, 'in three', 'the room is changed to behind it');
$goim->push_keys(['o'], $_, "key $_") for 1000 .. 1003;
is(join('|', map { $opaque->next_text } 1 .. 2), 'key 1001|key 1002',
   'and the operations');

# nobody listens

my $alone = $goim->js_client(
    url => 'ws://127.0.0.1:' . reserve_ports(1) . '/sub',
    minDelay => 16, maxDelay => 100);
$alone->ask('connect');
my @delays = map { $alone->event('close')->{delay} } 1 .. 8;
my @most = map { min(100, 16 * 2 ** $_) } 0 .. 7;

is_deeply([grep { $delays[$_] > $most[$_] } 0 .. 7], [],
          'no pause is longer than twice the one before, nor than maxDelay');
is_deeply([grep { $delays[$_] < $most[$_] / 2 } 0 .. 7], [],
          'nor shorter than half of that');
my %different = map { $delays[$_] => 1 } 3 .. 7;
cmp_ok(scalar keys %different, '>', 1, 'and they differ by chance');

# connect() does not wait for a pause

my $hasty = $goim->js_client(
    url => 'ws://127.0.0.1:' . reserve_ports(1) . '/sub', minDelay => 1e6,
    maxDelay => 1e6);
$hasty->ask('connect');
cmp_ok($hasty->event('close')->{delay}, '>=', 5e5, 'a long pause');
is($hasty->ask('state')->{value}, 'waiting', 'is waited for');
$hasty->ask('connect');
ok($hasty->event('close'), 'unless it is asked to connect now');
$hasty->ask('close');
ok($hasty->ends_by_itself, 'and ends where it is asked to stay away');


# What the last auth packet of a key said.
sub token_now {
    my ($key) = @_;

    my ($token) = grep { $_->{key} eq ($key || 'k') }
        map { decode_json($_) } reverse $goim->auth->bodies('/auth');
    $token->{room_id} = '' if !defined $token->{room_id};

    return $token;
}
