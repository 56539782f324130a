# A client whose messages are answered without waiting (a refusal, a limit)
# gets them answered one in each turn of the worker, and not as long as it
# sends: what needs several turns is done in between.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 3;

use Test::Goim::Packet qw(packet frame WS_BINARY);
use Test::Goim::Util qw(slurp);

use constant MESSAGES => 1000;

my $goim = Test::Goim->new(workers => 1, kafka => 0,
                           location => 'goim_publish /no;',
                           server => <<'SERVER')->start;
access_log %%DIR%%/turns.log;
        location = /no { internal; return 403; }
        location = /turns { proxy_pass http://127.0.0.1:%%PORT%%/one; }
        location = /one { return 200 one; }
SERVER

my $client = $goim->connect_ws->join_room('live://1');
my $other = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $goim->port) or die "$@";

# both have sent all before the worker sees anything

my ($worker) = $goim->nginx->worker_pids;
kill('STOP', $worker);

$client->send_bytes(frame(WS_BINARY, packet(4, '')) x MESSAGES);
syswrite($other, "GET /turns HTTP/1.0\r\n\r\n");

kill('CONT', $worker);

is(scalar(grep { $client->reply(5) } 1 .. MESSAGES), MESSAGES,
   'all messages are answered');
like(join('', <$other>), qr/one$/, 'so is the other one\'s request');

# a log's line is written when its request ends
my @lines = grep { m{POST /no|GET /turns} }
    split(/\n/, slurp($goim->dir . '/turns.log'));
my ($at) = grep { $lines[$_] =~ /GET/ } 0 .. $#lines;

cmp_ok($at, '<', MESSAGES / 2, 'which did not wait for them');
