# The JavaScript client as a module of a real page: Chromium's WebSocket does
# with it what node's does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 17;

use Test::Goim::FakeComet;
use Test::Goim::Packet qw(packet);
use Test::Goim::Util qw(spew);

my $goim = Test::Goim->new(
    workers => 1, location => 'goim_publish /publish;',
    http => <<'HTTP', server => <<'SERVER');
goim_handover off; goim_drain 100ms;
    client_header_timeout 2s;
    types { text/html html; text/javascript js; }
HTTP
root %%DIR%%/site;
        location = /publish { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

spew($goim->make_site . '/page.html', <<'HTML');
<!DOCTYPE html>
<link rel="icon" href="data:,">
<script type="module">
import { GoimClient } from './js/goim.js';

window.start = (url, options) => {
    window.events = [];
    window.client = new GoimClient(url, { minDelay: 10, ...options });
    for (const name of ['open', 'message', 'online', 'close', 'error']) {
        client.on(name, (event) => events.push([name, event]));
    }
    client.connect();
};
window.next = (name) => {
    const i = events.findIndex((event) => event[0] === name);
    return i < 0 ? null : { value: read(events.splice(i, 1)[0][1]) };
};
function read(event) {
    return event?.body ? [event.op, event.body.length, event.text()] : event;
}
</script>
HTML
$goim->start;

my $page = $goim->browser->open('http://127.0.0.1:' . $goim->port
                                . '/page.html');
my $url = 'ws://127.0.0.1:' . $goim->port . '/sub';


sub begin {
    my ($to, $options) = @_;

    $page->wait_for('window.start');
    $page->value("start('$to', $options)");
}


sub next_event {
    my ($name) = @_;

    return $page->wait_for("next('$name')", 30)->{value};
}


begin($url, '{ token: { key: "k", room_id: "live://1", accepts: [1000] } }');
next_event('open');
is(next_event('online'), 1, 'it is let in and told how many are there');

$goim->push_room('live://1', 1000, "gr\xc3\xbc\xc3\x9fe");
is_deeply(next_event('message'), [1000, 7, "gr\x{fc}\x{df}e"],
          'a push is bytes and text');
$goim->add_producer('goim-push-topic', 'linger.ms=200')
     ->rooms(map { ['live://1', 1000, "batch $_"] } 1 .. 50);
is(join('|', map { next_event('message')->[2] } 1 .. 50),
   join('|', map { "batch $_" } 1 .. 50), 'a batch is taken apart');

is_deeply($page->value('client.send("hello")'), { code => 0 },
          'a message is answered');
is($page->value(q{client.send({ answer: '{"code":-400,"message":"no"}' })
                  .catch((error) => error.code)}), -400, 'or refused');

is($page->value('client.changeRoom("live://2")'), JSON::PP::true,
   'it changes its room');
$goim->reload;
is(next_event('close')->{code}, 1012, 'a reload sends it away');
next_event('open');
$goim->push_room('live://2', 1000, 'here');
is(next_event('message')->[2], 'here', 'it comes back where it was');

$goim->kick(['k'], reason => 'enough');
is_deeply(next_event('close'),
          { code => 1008, reason => 'enough', delay => 0,
            willReconnect => JSON::PP::false }, 'until it is kicked');

# a server that misbehaves

my $comet = Test::Goim::FakeComet->new;
begin($comet->url, '{ heartbeat: 60000 }');
my $server = $comet->next_client;
next_event('open');
$server->send_packet(1000, 'bare', seq => 0);
is(next_event('message')->[2], 'bare', 'another server');
$server->send_message(packet(9, 'x'));
is(next_event('close')->{code}, 4001, 'what is no packet ends a connection');
is($server->close_code, 4001, 'the server is told why');
$server = $comet->next_client;
next_event('open');
$server->send_message('text', 1);
is(next_event('close')->{code}, 4001, 'so does a text');

# a browser complains of one that is closed before it is open
$comet->next_client;
next_event('open');
$page->value('client.close()');
next_event('close');

begin($comet->url, '{ heartbeatTimeout: 500 }');
next_event('open');
is(next_event('close')->{code}, 4000, 'a heartbeat without an answer as well');
next_event('open');
$page->value('client.close()');
is(next_event('close')->{code}, 1000, 'it leaves when asked');

# a browser connects for requests that it may never send
ok(wait_until(30, undef, sub { !$goim->nginx->old_worker_pids }),
   'old workers end');
is_deeply($page->complaints, [], 'nothing goes wrong in the page');
