# Whatever their clients do - take a stream, take nothing, do not answer a
# goodbye - old workers are gone when goim_drain is over: five seconds later at
# the most, which a client has for its goodbye.  Who is half-way through the
# handshake, or what is asked of logic, has a time of its own, and ends by it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Packet qw(packet frame OP_AUTH WS_BINARY);

use Time::HiRes qw(time);

my $drain = 6;
my $goim = Test::Goim->new(
    workers => 2, listen => 'reuseport sndbuf=16k',
    http => "goim_handover off; goim_drain ${drain}s; "
        . 'goim_room live://* { backlog 64m; } '
        . 'proxy_read_timeout 4s; '
        . 'goim_session /session interval=100ms;',
    location => 'goim_publish /publish; goim_handshake_timeout 4s;',
    server => <<'SERVER', servers => '%%TCP_SERVER%%')->start;
location = /publish {
            internal;
            proxy_pass http://127.0.0.1:%%AUTH%%/publish;
        }
        location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

$goim->auth->session(answer => '');

my %member = (numbers => 1, token => { room_id => 'live://1',
                                       test => { heartbeat => 86400 } });
my @clients = ($goim->connect_many(20, \%member),
               map { $goim->connect_tcp(%member) } 1 .. 10);
my $stream = $goim->stream('live://1', count => 1e7, rate => 200,
                           size => 2000);
ok($goim->all_reach(50, 30, @clients), 'a stream is under way');

# who takes nothing, and answers nothing

my @slow = ($goim->connect_many(5, { %member, rcvbuf => 4096 }),
            map { $goim->connect_tcp(%member, rcvbuf => 4096)->auth }
            1 .. 5);
$_->pause for @slow;

# who has not come far: nothing but a request, half a token, logic is slow

my $late = '{"room_id":"live://1","test":{"delay":240}}';
my @half = map { my $client = $goim->connect_ws; $client->response; $client }
    1 .. 3;
push @half, map { $goim->connect_tcp } 1 .. 3;
$half[0]->send_bytes(substr(frame(WS_BINARY, packet(OP_AUTH, $late)), 0, 20));
$half[1]->send_bytes(frame(WS_BINARY, packet(OP_AUTH, $late)));
$half[3]->send_bytes(substr(packet(OP_AUTH, $late), 0, 20));
$half[4]->send_bytes(packet(OP_AUTH, $late));
wait_until(20, 'logic to be asked', sub {
    return 2 == grep { ($_->{body} || '') eq $late } $goim->auth->requests;
});

# and who waits for what has become of its message

my @asking = map { $goim->connect_ws->join_room('live://2') } 1 .. 2;
$_->send_packet(4, '{"delay":240}') for @asking;
wait_until(20, 'messages to be asked about', sub {
    return 2 == grep { $_->{path} eq '/publish' } $goim->auth->requests;
});

my @old = $goim->worker_pids;
my $start = time;
$goim->reload;

my $gone = wait_until(90, undef, sub {
    my %left = map { $_ => 1 } $goim->nginx->old_worker_pids;
    return !grep { $left{$_} } @old;
});
my $took = time - $start;

ok($gone, 'old workers end');
cmp_ok($took, '>', $drain - 1, 'not before their time');
# a machine that is busy has some time more, but none for the default's 60 s
cmp_ok($took, '<', $drain + 5 + 30, 'nor long after it');
is(scalar(grep { !$_->expect_close(20) } @clients, @asking), 0,
   'with all their clients');
is_deeply($goim->faults(undef, undef, @clients), [],
          'who had everything in order until then');
