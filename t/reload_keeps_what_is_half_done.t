# Connections that are handed over at a reload go on in the middle of a byte:
# slow readers get all that was pending, a frame or packet that has come in part
# is completed, fragments become one message, keys and operations stay.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

use Test::Goim::Packet qw(packet frame);

my $goim = Test::Goim->new(
    workers => 2, http => 'goim_room live://* { backlog 64m; }',
    listen => 'sndbuf=64k', servers => <<'SERVERS')->start;
server {
        listen 127.0.0.1:%%PORT_tcp%% sndbuf=64k;
        goim_tcp /sub;
        %%locations%%
    }
SERVERS
my $nginx = $goim->nginx;


# A reload, until the old workers have gone.
sub reload {
    $goim->reload;
    return wait_until(20, undef, sub { !$nginx->old_worker_pids });
}


# what is pending, more than a packet between workers holds

my %slow = (numbers => 1, rcvbuf => 4096);
my @slow = ((map { $goim->connect_ws(%slow)->join_room('live://2') } 1 .. 3),
            (map { $goim->connect_tcp(%slow)->auth({ room_id => 'live://2' }) }
                1 .. 3));
my ($fast) = $goim->connect_many(1, { numbers => 1, token => {
    room_id => 'live://2' } });
my @members = (@slow, $fast);

$_->pause for @slow;

my $large = $goim->stream('live://2', count => 40, size => 100_000,
                          rate => 0);
my $count = $goim->producer->wait_stream($large);
ok($goim->all_reach($count, 30, $fast), 'slow clients have much pending');

# what has come in part

my $token = { room_id => 'live://1', accepts => [1001] };
my $ws = $goim->connect_ws->auth({ %$token, key => 'ws' });
my $tcp = $goim->connect_tcp->auth({ %$token, key => 'tcp' });
my $frame = frame(2, packet(2, '', seq => 77));
my $half = packet(2, '', seq => 78);
my $whole = packet(2, '', seq => 79);

$ws->send_bytes(substr($frame, 0, 12));
$tcp->send_bytes(substr($half, 0, 9));

my $parts = $goim->connect_ws->auth($token);
$parts->send_frame(2, substr($whole, 0, 5), fin => 0);

# all of it has arrived
$_->heartbeat for $fast;

for my $round (1, 2) {
    ok(reload(), "reload $round: the old workers end");
    is(scalar(grep { $_->is_closed } @members, $ws, $tcp, $parts), 0,
       'nobody is disconnected');
}

$ws->send_bytes(substr($frame, 12));
is($ws->reply(3)->{seq}, 77, 'a frame is completed');

$tcp->send_bytes(substr($half, 9));
is($tcp->reply(3)->{seq}, 78, 'so is a packet');

$parts->send_frame(0, substr($whole, 5));
is($parts->reply(3)->{seq}, 79, 'fragments become one message');

$_->resume for @slow;
ok($goim->all_reach($count, 60, @members), 'slow clients get the rest');
is_deeply($goim->faults(undef, $count, @members), [], 'all of it, in order');

$goim->push_keys(['ws', 'tcp'], 1001, 'to keys');
is(join(' ', map { $_->next_body } $ws, $tcp), 'to keys to keys',
   'keys are found, and accept what they did');
$goim->push_keys(['ws'], 1002, 'not this');
$goim->push_all(1001, 'to all');
is(join(' ', map { $_->next_body } $ws, $tcp, $parts), 'to all to all to all',
   'no more and no less');

is($goim->counted('drop_backlog', 'drop_closed'), 0, 'nothing is dropped');
