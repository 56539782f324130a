# The JavaScript client is let in, gets its room's pushes one by one and in
# batches, changes its room and its operations, and hears how many are there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 22;

my $goim = Test::Goim->new(workers => 1)->start;

my %token = (mid => 123, key => 'k', room_id => 'live://1000',
             platform => 'web', accepts => [1000, 1001]);
my $client = $goim->js_client(token => \%token);

is($client->ask('state')->{value}, 'closed', 'nothing happens by itself');
$client->connected;

is_deeply(decode_json(($goim->auth->bodies('/auth'))[0]), \%token,
          'the token is the auth packet\'s body');
is($client->ask('state')->{value}, 'open', 'it is let in');
is($client->event('online'), 1, 'and told how many are in its room');

# pushes

$goim->push_room('live://1000', 1000, "gr\xc3\xbc\xc3\x9fe");
my $message = $client->event('message');
is_deeply([@$message{qw(op hex)}], [1000, '6772c3bcc39f65'],
          'a push has its operation and its bytes');
is($message->{text}, "gr\x{fc}\x{df}e", 'which are text by UTF-8');

$goim->push_room('live://1000', -5, "\xff");
$message = $client->event('message');
is_deeply([@$message{qw(op hex text)}], [-5, 'ff', "\x{fffd}"],
          'what is no text is replaced in it only');

$goim->push_room('live://1000', 1000, '');
is($client->next_text, '', 'a push may be empty');

$goim->push_room('live://1000', 1000, 'x' x 70000);
is($client->next_text, 'x' x 70000, 'or large');

my $batches = $goim->add_producer('goim-push-topic', 'linger.ms=200');
$batches->rooms(map { ['live://1000', 1000, "batch $_"] } 1 .. 50);
is(join('|', map { $client->next_text } 1 .. 50),
   join('|', map { "batch $_" } 1 .. 50), 'a batch is all there, in order');

# rooms

my $other = $goim->js_client(token => { room_id => 'live://2000' });
$other->connected;
is($other->event('online'), 1, 'another room has its own number');

is_deeply($client->ask('changeRoom', 'live://2000'),
          { value => JSON::PP::true }, 'a change of the room is answered');
is($client->event('online'), 2, 'the new one\'s number comes at once');
$goim->push_room('live://1000', 1000, 'old');
$goim->push_room('live://2000', 1000, 'new');
is($client->next_text, 'new', 'it gets the new room\'s pushes only');
is($other->next_text, 'new', 'as others do there');

$client->ask('changeRoom', '');
is($client->event('online'), 0, 'it may leave for no room at all');

# operations

$goim->push_keys(['k'], $_, "to $_") for 1002, 1003, 1000, 1001;
is(join('|', map { $client->next_text } 1 .. 2), 'to 1000|to 1001',
   'pushes to its key have operations that it accepts');
is_deeply($client->ask('subscribe', [1002, 1003]),
          { value => JSON::PP::true }, 'more are answered');
$client->ask('unsubscribe', [1000, 1003]);
$goim->push_keys(['k'], $_, "then $_") for 1000 .. 1003;
$goim->push_all(1001, 'end');
is(join('|', map { $client->next_text } 1 .. 3),
   'then 1001|then 1002|end', 'what was added reaches it, no more what was '
   . 'taken away');
is($client->ask('subscribe', ['x'])->{error}{name}, 'TypeError',
   'an operation is a number');

# the end

$client->ask('close');
is_deeply($client->event('close'),
          { code => 1000, reason => '', willReconnect => JSON::PP::false,
            delay => 0 }, 'it leaves when asked');
ok($client->ends_by_itself, 'and keeps nothing that would run on');
