# goim-logic's HTTP API answers as goim's: the same status, code and fields,
# and successes to the byte; and each limit has an answer of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 89;

my $goim = Test::Goim->new(
    nginx => 0, job => 0, topics => { 'goim-push-topic' => 3 },
    logic => { http => { max_requests => 100 }, v1 => { room_type => 'live' },
               nodes => { domain => 'conn.goim.io', host_domain => '.goim.io',
                          'server comet-1' => '10,10.0.0.1,10.0.0.2',
                          region => 'sh', zone => 'sh001', env => 'dev' } },
)->start;

my $json = 'application/json; charset=utf-8';
my $text = 'text/plain; charset=utf-8';
my $ok = '{"code":0,"message":""}';


# One request; its whole answer is checked.  $body: a string for equality, a
# number for the code of an answer in goim's form with some words in message.
sub answers {
    my ($request, $status, $type, $body, %opt) = @_;

    my ($method, $path) = split(/ /, $request, 2);
    my $answer = $goim->ask_logic($path, method => $method,
                                  body => 'hello', %opt) || {};
    my $good = ($answer->{status} || 0) == $status
        && ($answer->{headers}{'content-type'} || '') eq $type;

    if ($body =~ /^-\d+$/) {
        my $in = eval { JSON::PP->new->decode($answer->{body}) } || {};
        $good &&= keys %$in == 2 && ($in->{code} || 0) == $body
            && length $in->{message};

    } else {
        $good &&= $answer->{body} eq $body;
    }

    ok($good, "$request: $status $body") or diag($answer->{raw});
}


my $push = '/goim/push';

# keys
answers("POST $push/keys?operation=1000&keys=k1", 200, $json, $ok);
answers("POST $push/keys?operation=1000&keys=k1&keys=k2", 200, $json, $ok);
answers("POST $push/keys?operation=0&keys=k1", 200, $json, $ok);
answers("POST $push/keys?keys=k1", 200, $json, $ok);
answers("POST $push/keys?operation=-5&keys=k1", 200, $json, $ok);
answers("POST $push/keys?operation=&keys=k1", 200, $json, $ok);
answers("POST $push/keys?operation=1000", 200, $json, -400);
answers("POST $push/keys", 200, $json, -400);
answers("POST $push/keys?operation=abc&keys=k1", 400, $text, -400);
answers("POST $push/keys?operation=1e3&keys=k1", 400, $text, -400);
answers("POST $push/keys?operation=2147483648&keys=k1", 400, $text, -400);
answers("POST $push/keys?operation=%31000&keys=%6b1", 200, $json, $ok);

answers("POST $push/keys?operation=1000;keys=k1", 200, $json, -400);
answers("POST $push/keys?operation=x;&keys=k1&keys=%zz", 200, $json, $ok);

# mids
answers("POST $push/mids?operation=1000&mids=1", 200, $json, $ok);
answers("POST $push/mids?operation=1000&mids=1&mids=-2", 200, $json, $ok);
answers("POST $push/mids?operation=1000", 200, $json, $ok);
answers("POST $push/mids?operation=1000&mids=", 200, $json, $ok);
answers("POST $push/mids?mids=9223372036854775807", 200, $json, $ok);
answers("POST $push/mids?operation=1000&mids=1,2", 400, $text, -400);
answers("POST $push/mids?operation=1000&mids=x", 400, $text, -400);
answers("POST $push/mids?mids=9223372036854775808", 400, $text, -400);

# room
my $room = "$push/room?operation=1000";
answers("POST $room&type=live&room=1000", 200, $json, $ok);
answers("POST $room&room=1000&type=live&other=1", 200, $json, $ok);
answers("POST $room&type=a+b&room=%E2%82%AC", 200, $json, $ok);
answers("POST $room&type=live&room=1000", 200, $json, $ok, body => '');
answers("POST $room&type=live", 400, $text, -400);
answers("POST $room&room=1000", 400, $text, -400);
answers("POST $room&type=&room=1000", 400, $text, -400);
answers("POST $push/room?type=live&room=1000", 400, $text, -400);
answers("POST $push/room?operation=0&type=live&room=1", 400, $text, -400);
answers("POST $push/room?operation=a&type=live&room=1", 400, $text, -400);
answers('POST ' . "$room&type=live&room=" . 'x' x 248, 200, $json, $ok);
answers('POST ' . "$room&type=live&room=" . 'x' x 249, 200, $json, -500);
answers("POST $room&type=live&room=%00", 200, $json, -500);
answers("POST $room&type=live&room=1%0A", 200, $json, -500);

# all
answers("POST $push/all?operation=1000", 200, $json, $ok);
answers("POST $push/all?operation=1000&speed=64", 200, $json, $ok);
answers("POST $push/all?operation=1000&speed=-1", 200, $json, $ok);
answers("POST $push/all", 400, $text, -400);
answers("POST $push/all?operation=1000&speed=fast", 400, $text, -400);

# nothing there
for my $request ('GET /goim/push/all?operation=1000', 'PUT /goim/push/all',
                 'POST /goim/push', 'GET /',
                 'HEAD /goim/online/total', 'DELETE /goim/online/total',
                 'OPTIONS /goim/push/all', 'GET /nodes/instances') {
    my ($method, $path) = split(/ /, $request, 2);
    my $answer = $goim->ask_logic($path, method => $method);
    ok($answer && $answer->{status} == 404
       && ($method eq 'HEAD' || $answer->{body} eq '404 page not found'),
       "$request: 404") or diag($answer->{raw});
}

for my $case (['POST', 307, ''], ['GET', 301, qr/Moved Permanently/]) {
    my ($method, $status, $body) = @$case;
    my $path = $method eq 'POST' ? '/goim/push/all' : '/goim/online/total';
    my $answer = $goim->ask_logic("$path/?operation=1", method => $method);
    ok($answer->{status} == $status && $answer->{body} =~ $body
       && $answer->{headers}{location} eq "$path?operation=1",
       "$method with a slash at the end: $status") or diag($answer->{raw});
}

# who is there
my $report = "session 1 comet-1 0 77 complete 3\n"
    . "connect c1 k1 7 websocket 10.1.1.1 1000\n"
    . "connect c2 k2 7 tcp 10.1.1.1 1000\n"
    . "connect c3 k3 8 tcp 10.1.1.2 1000\n"
    . "room live://1000 2\nroom live://7 1\nroom live2://9 1\nroom other 5\n"
    . "room %E2%82%AC://1 1\nroom live://room/1 3\n";

is($goim->ask_logic('/goim/session', method => 'POST',
                    body => $report)->{status}, 200, 'a report is taken');
wait_until(15, 'counts to be summed up', sub {
    return $goim->ask_logic('/goim/online/total')->{body}
        =~ /"conn_count":3/;
});

sub data { return qq({"code":0,"message":"","data":$_[0]}) }

my $online = '/goim/online';
answers("GET $online/total", 200, $json,
        data('{"conn_count":3,"ip_count":2}'));
answers("GET $online/top?type=live&limit=2", 200, $json,
        data('[{"room_id":"room","count":3},{"room_id":"1000","count":2}]'));
answers("GET $online/top?type=live&limit=100", 200, $json,
        data('[{"room_id":"room","count":3},{"room_id":"1000","count":2},'
             . '{"room_id":"9","count":1},{"room_id":"7","count":1}]'));
answers("GET $online/top?type=nobody&limit=1", 200, $json, data('[]'));
answers("GET $online/top?type=live", 400, $text, -400);
answers("GET $online/top?limit=1", 400, $text, -400);
answers("GET $online/top?type=live&limit=0", 400, $text, -400);
answers("GET $online/top?type=live&limit=x", 400, $text, -400);
answers("GET $online/top?type=live&limit=-1", 400, $text, -400);
answers("GET $online/room?type=live&rooms=7&rooms=1000&rooms=7", 200, $json,
        data('{"1000":2,"7":1}'));
answers("GET $online/room?type=live&rooms=%3Cb%3E%22", 200, $json,
        data('{"\u003cb\u003e\"":0}'));
answers("GET $online/room?type=live", 400, $text, -400);
answers("GET $online/room?rooms=1", 400, $text, -400);

my $weighted = '{"domain":"conn.goim.io","tcp_port":3101,"ws_port":3102,'
    . '"wss_port":3103,"heartbeat":240,"nodes":[%s],"backoff":{"max_delay":'
    . '300,"base_delay":3,"factor":1.8,"jitter":0.3},"heartbeat_max":2}';
answers('GET /goim/nodes/weighted?platform=web', 200, $json,
        data(sprintf($weighted, '"comet-1.goim.io"')));
answers('GET /goim/nodes/weighted?platform=ios', 200, $json,
        data(sprintf($weighted, '"10.0.0.1","10.0.0.2"')));
answers('GET /goim/nodes/weighted', 200, $json,
        data(sprintf($weighted, '"10.0.0.1","10.0.0.2"')));

my $instances = $goim->ask_logic('/goim/nodes/instances')->{body};
my $stamp = $instances =~ /"latest_timestamp":(\d{19})/ ? $1 : 0;
is($instances, data(
    '[{"region":"sh","zone":"sh001","env":"dev","appid":"goim.comet",'
    . '"hostname":"comet-1","addrs":["10.0.0.1","10.0.0.2"],"version":"",'
    . qq("latest_timestamp":$stamp,"metadata":{"addrs":"10.0.0.1,10.0.0.2",)
    . '"conn_count":"3","ip_count":"2","offline":"false","weight":"10"}}]'),
   'instances');

# v1
my $v1 = '{"ret":1}';
my $no = '{"ret":65535}';
answers('POST /1/push?uid=7', 200, $text, $v1);
answers('POST /1/push?uid=seven', 200, $text, $no);
answers('POST /1/push', 200, $text, $no);
answers('POST /1/push/room?rid=7&ensure=maybe', 200, $text, $v1);
answers('POST /1/push/room', 200, $text, $no);
answers('POST /1/push/all', 200, $text, $v1);
answers('POST /1/pushs', 200, $text, $v1,
        body => '{"m":{"test":1},"u":[7,8]}');
answers('POST /1/pushs', 200, $text, $no, body => '{"m":{"test":1}}');
answers('POST /1/pushs', 200, $text, $no, body => '{"u":[7]}');
answers('POST /1/pushs', 200, $text, $no, body => '{"m":1,"u":["7"]}');
answers('POST /1/pushs', 200, $text, $no, body => '');
answers('GET /1/count?type=room', 200, $text,
        '{"data":[{"RoomId":1000,"Count":2},{"RoomId":7,"Count":1}],"ret":1}');
answers('GET /1/count', 200, $text, $v1);

# limits
answers("POST $room&type=live&room=1", 200, $json, $ok, body => 'x' x 900000);
answers("POST $room&type=live&room=1", 200, $json, -500,
        body => 'x' x 1000000);

my $large = $goim->ask_logic("$room&type=live&room=1", method => 'POST',
                             body => 'x' x 1_100_000);
is($large->{status}, 413, 'a body beyond all limits: 413');
is(($goim->ask_logic("$room&type=live&room=1", method => 'POST',
                     headers => { 'X-Large' => 'x' x 40000 })
    || { status => 'closed' })->{status}, 400, 'too many headers: 400');

is($goim->ask_logic('/goim/session', method => 'POST', body => 'hello')
        ->{status}, 400, 'a report that is none: 400');
is($goim->ask_logic('/goim/session', method => 'POST',
                    body => "session 1 comet-1 0 77 complete 3\nroom live://1")
        ->{status}, 400, 'a report that breaks off: 400');

answers("POST $room&type=live&room=1", 200, $json, $ok);
