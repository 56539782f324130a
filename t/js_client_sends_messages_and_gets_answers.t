# A message that the JavaScript client sends is a promise: of the answer that
# says it was taken, or of an error that says why not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 13;

use Test::Goim::FakeComet;

my $goim = Test::Goim->new(
    workers => 1, kafka => 0, location => 'goim_publish /publish;',
    server => <<'SERVER')->start;
location = /publish { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
        location = /off { goim; goim_auth /auth; }
SERVER

my $client = $goim->js_client(token => { room_id => 'live://1' });

is(failure($client, 'early')->{code}, 'closed',
   'nobody sends before it is connected');
$client->connected;

is_deeply($client->ask('send', "gr\x{fc}\x{df}e"), { value => { code => 0 } },
          'what was taken is answered');
is_deeply($client->ask('sendBytes', '00ff'), { value => { code => 0 } },
          'bytes are');
$client->ask('send', { text => 'hi' });

is_deeply([$goim->auth->bodies('/publish')],
          ["gr\xc3\xbc\xc3\x9fe", "\x00\xff", '{"text":"hi"}'],
          'text goes as UTF-8, bytes as they are, an object as JSON');

my $no = failure($client, { answer => '{"code":-400,"message":"too loud"}' });
is_deeply($no, { name => 'GoimError', code => -400, message => 'too loud',
                 answer => { code => -400, message => 'too loud' } },
          'a refusal is an error with its code and words');
is(failure($client, { status => 500 })->{code}, -500,
   'so is nginx\'s own answer');
is(failure($client, { answer => 'hm' })->{code}, 'answer',
   'and one that can\'t be read');

# several at once, answered in another order than they were asked

my $fake = Test::Goim::FakeComet->new;
my $lonely = $goim->js_client(url => $fake->url, requestTimeout => 700,
                              minDelay => 10);
$lonely->connected;
my $server = $fake->next_client;
my @ids = map { $lonely->call('send', $_) } 1 .. 3;
my @packets = map { $server->next_packet(4) } @ids;

$server->send_packet(5, qq({"code":0,"to":$_->{body}}), seq => $_->{seq})
    for reverse @packets[0, 1];
$server->send_packet(5, '{"code":0}', seq => 9999);
is(join(' ', map { $lonely->result($_)->{value}{to} || 'none' } @ids[0, 1]),
   '1 2', 'an answer belongs to the message with its number');
is($lonely->result($ids[2])->{error}{code}, 'timeout',
   'a message without an answer fails after its time');

$server->send_packet(5, '{"code":0}', seq => $packets[2]{seq});
my $id = $lonely->call('send', 'last');
$server->next_packet(4);
$server->end;
is($lonely->result($id)->{error}{code}, 'closed',
   'one whose connection ends fails at once');
is($lonely->waiting('message'), 0, 'answers that are too late are no pushes');
$lonely->ask('close');

# a server that takes none

my $off = $goim->js_client(url => 'ws://127.0.0.1:' . $goim->port . '/off');
is(failure($off->connected, 'hello')->{code}, 'untaken',
   'a server that takes no messages is told apart');

$client->ask('close');
ok($client->ends_by_itself, 'no timer of theirs is left');


sub failure {
    my ($who, $message) = @_;

    my $result = $who->ask('send', $message);

    return $result->{error} || { code => 'none' };
}
