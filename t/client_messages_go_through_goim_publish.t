# A client's message, operation 4, is asked about by a request of the
# worker's own; its answer comes back as operation 5, in the order of the
# messages, or says that there was none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 32;

use Test::Goim::Packet qw(packet frame WS_BINARY);
use Test::Goim::Util qw(slurp spew);


my @kinds = qw(here closes moved dead long file after slow off);

my $publish = <<'LOCATIONS' . join("\n", map { <<"LOCATION" } @kinds);
location = /publish { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
        location = /slow { internal; proxy_read_timeout 6s;
                           proxy_pass http://127.0.0.1:%%AUTH%%/publish; }
        location = /here { internal; return 200 '{"code":0,"at":"$goim_key"}'; }
        location = /closes { internal; return 444; }
        location = /moved { internal; rewrite ^ /here last; }
        location = /dead { internal; proxy_pass http://127.0.0.1:9; }
        location = /file { internal; error_page 403 =200 /file.json;
                           return 403; }
        location = /file.json { internal; sendfile on; root %%DIR%%; }
        location = /after { internal; post_action /here; return 403 no; }
        location = /long { internal; set $x %%long%%; return 200 $x$x$x$x$x; }
LOCATIONS
location = /sub-$_ { goim; goim_auth /auth; goim_publish /$_;
                             goim_uplink_max 2; }
LOCATION

$publish =~ s{goim_publish /off}{goim_publish off};

my $goim = Test::Goim->new(
    workers => 1, long => 'x' x 1000, http => <<'HTTP', server => <<"SERVER",
limit_conn_zone $binary_remote_addr zone=z:1m;
    log_format up '$request $goim_key $goim_mid $goim_room $goim_transport '
                  '$status';
    goim_publish /publish;
HTTP
allow 127.0.0.1; deny all;
        auth_request /checked;
        limit_conn z 20;
        lingering_close always;
        access_log %%DIR%%/up.log up;
        location = /checked { auth_request off; return 204; }
        $publish
SERVER
    location => 'goim_uplink_max 2;',
    servers => <<"SERVERS")->start;
server {
        listen 127.0.0.1:%%PORT_tcp%%;
        goim_tcp /sub;
        %%locations%%
        $publish
    }
SERVERS



sub says {
    my ($client, $body, %opt) = @_;

    $client->send_packet(4, $body, %opt);
    my $reply = $client->reply(5, 30);

    return $reply ? $reply->{body} : $client->is_closed ? 'closed' : 'none';
}


# what is asked, and what comes back

my $ws = $goim->connect_ws->join_room('live://1', mid => 5, key => 'ws key');
my $tcp = $goim->connect_tcp->auth({ room_id => 'live://1', key => 'tcp' });

is(says($ws, 'hello'), '{"code":0}', 'the answer is the body of op 5');
is(says($tcp, 'hi'), '{"code":0}', 'also on TCP');

my @asked = grep { $_->{path} eq '/publish' } $goim->auth->requests;
my %headers = %{$asked[0]{headers}};
is("$asked[0]{method} $asked[0]{body}", 'POST hello', 'the message is asked '
   . 'about as it is');
is(join('|', @headers{map { "x-goim-$_" } qw(server transport key mid room)}),
   'comet-1|websocket|ws key|5|live://1', 'headers say who has sent it');
is($headers{'x-real-ip'}, '127.0.0.1', 'and from where');
is($asked[1]{headers}{'x-goim-transport'}, 'tcp', 'and by what transport');

$ws->send_packet(4, 'again', ver => 7, seq => -9);
my $reply = $ws->reply(5);
is("$reply->{ver} $reply->{seq}", '7 -9',
   'the reply has the request\'s version and number');

is(says($ws, '{"status":200,"answer":"{\"code\":-400,\"message\":\"no\"}"}'),
   '{"code":-400,"message":"no"}', 'a refusal of logic\'s is passed on');
is(says($ws, '{"status":403}'), '{"code":-403,"message":"not published"}',
   'a status other than 200 is told');
is(says($ws, '{"answer":""}'), '{"code":-502,"message":"not published"}',
   'so is an empty answer');
is(says($ws, '{"missing":9}'), '{"code":-502,"message":"not published"}',
   'and one that breaks off');
is(says($ws, ''), '{"code":0}', 'a message may be empty');

# any location can answer

spew($goim->dir . '/file.json', '{"code":7}');

for my $case (['here', '{"code":0,"at":"k here"}'],
              ['closes', '{"code":-444,"message":"not published"}'],
              ['moved', '{"code":0,"at":"k moved"}'],
              ['file', '{"code":7}'],
              ['after', '{"code":-403,"message":"not published"}'],
              ['dead', '{"code":-502,"message":"not published"}'],
              ['long', '{"code":-502,"message":"not published"}'])
{
    my ($where, $answer) = @$case;
    my $client = $goim->connect_ws(path => "/sub-$where")
        ->join_room('live://1', key => "k $where");
    is(says($client, 'x' x 4000), $answer, "answered by /$where");
}

my $off = $goim->connect_ws(path => '/sub-off')->join_room('live://1');
$off->send_packet(4, 'hello');
is($off->reply(4)->{body}, '', 'without goim_publish it is op 4 that answers');

like(slurp($goim->dir . '/up.log'),
     qr{^POST /publish ws key 5 live://1 websocket 200$}m,
     'the location\'s access log names the client');

# order, and what is allowed at a time

my $pipelined = $goim->connect_ws->join_room('live://1', key => 'pipelined');
$pipelined->send_bytes(join('', map {
    frame(WS_BINARY, packet(4, qq({"delay":0.0$_,"answer":"$_"}), seq => $_))
} reverse 1 .. 9) . frame(WS_BINARY, packet(2, '')));
is(join('', map { $pipelined->reply(5, 30)->{body} }
        1 .. 9), '987654321',
   'pipelined messages are answered in their order');
ok($pipelined->reply(3), 'and what follows them after that');

my @slow = map {
    $goim->connect_ws(path => '/sub-slow')
         ->join_room('live://2', key => "slow $_")
} 1 .. 2;
$_->send_packet(4, '{"delay":30}') for @slow;
ok(wait_until(20, undef, sub { $goim->status->{total}{uplinks} == 2 }),
   'carriers in use are shown');
is(says($ws, 'more'), '{"code":-503,"message":"busy, try later"}',
   'beyond goim_uplink_max a client is told so');

$goim->push_room('live://2', 1000, 'a push');
is($slow[0]->next_body, 'a push', 'who waits for an answer gets pushes');
is($slow[0]->reply(5, 30)->{body}, '{"code":-504,"message":"not published"}',
   'a service that does not answer is told after its timeout');

# clients that leave

$slow[1]->reply(5, 30);
my $gone = $goim->connect_ws->join_room('live://3', key => 'gone');
$gone->send_packet(4, '{"delay":1}');
wait_until(20, undef, sub { $goim->status->{total}{uplinks} == 1 });
$gone->reset;
my $again = $goim->connect_ws->join_room('live://3', key => 'gone');
is(says($again, '{"answer":"mine"}'), 'mine',
   'an answer never reaches another connection with the key');
ok(wait_until(20, undef, sub { $goim->status->{total}{uplinks} == 0 }),
   'no carrier is left');

my $total = $goim->status->{total};
is($total->{published}, 19, 'answers are counted');
is($total->{publish_busy}, 1, 'refusals as well');
is($total->{publish_failed}, 9, 'and failures');
