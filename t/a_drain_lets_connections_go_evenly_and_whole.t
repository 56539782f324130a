# goim_drain lets connections go a few at a time, not all at once; until its
# turn comes each gets what is pushed, and ends at a frame's or packet's
# border: also who reads slowly and has much pending.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

my $goim = Test::Goim->new(
    workers => 1, http => <<'HTTP', listen => 'sndbuf=64k',
goim_handover off; goim_drain 4s;
    goim_room live://* { backlog 64m; }
HTTP
    servers => <<'SERVERS')->start;
server {
        listen 127.0.0.1:%%PORT_tcp%% sndbuf=64k;
        goim_tcp /sub;
        %%locations%%
    }
SERVERS

my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @ws = $goim->connect_many(100, $member);
my @tcp = map { $goim->connect_tcp(%$member) } 1 .. 50;

# large messages, which the kernel takes but a part of

my %slow_member = (numbers => 1, rcvbuf => 4096);
my @slow_ws = map { $goim->connect_ws(%slow_member)->join_room('live://2') }
    1 .. 5;
my @slow_tcp = map {
    $goim->connect_tcp(%slow_member)->auth({ room_id => 'live://2' })
} 1 .. 5;
my ($fast) = $goim->connect_many(1, { numbers => 1, token => {
    room_id => 'live://2' } });

my $stream = $goim->stream('live://1', count => 1e7, rate => 100);
ok($goim->all_reach(20, 30, @ws, @tcp), 'a stream is under way');

$_->pause for @slow_ws, @slow_tcp;
my $large = $goim->stream('live://2', count => 40, size => 100_000,
                          rate => 0);
$goim->producer->wait_stream($large);
ok($goim->all_reach(40, 30, $fast), 'and more than slow clients take');

# The stream tells the steps: who goes at the same time has the same last
# number.  Who came last goes first, the slow ones while they do not read.

my $at_reload = $ws[0]->last_number;
$goim->reload;

ok(wait_until(30, undef, sub {
    return 50 <= grep { $_->is_closed } @ws, @tcp;
}), 'a reload lets some go');
$_->resume for @slow_ws, @slow_tcp;

my %code;
$code{$_->expect_close(30) || 'none'}++ for @ws, $fast;
is_deeply(\%code, { 1012 => 101 }, 'WebSocket clients go with 1012');

my %steps = map { $_->last_number => 1 } @ws, @tcp;
cmp_ok(scalar keys %steps, '>=', 10, 'in many steps')
    or diag(join(' ', sort { $a <=> $b } keys %steps));

my %tcp_end;
$tcp_end{$_->expect_close(30) || 'none'}++ for @tcp;
is_deeply(\%tcp_end, { eof => 50 }, 'TCP clients with the end alone');

my %slow_end;
$slow_end{$_->expect_close(30) || 'none'}++ for @slow_ws;
is_deeply(\%slow_end, { 1012 => 5 }, 'slow ones with 1012 as well');
%slow_end = ();
$slow_end{$_->expect_close(30) || 'none'}++ for @slow_tcp;
is_deeply(\%slow_end, { eof => 5 }, 'or the end');

cmp_ok(scalar(grep { $_->last_number < 40 } @slow_ws, @slow_tcp), '>=', 5,
       'without all that was pending for them');

# what is left in a client's buffer is a part of a frame or packet

is(scalar(grep { length $_->{in} } @ws, @tcp, @slow_ws, @slow_tcp), 0,
   'nothing is cut in its middle');
is_deeply($goim->faults(undef, undef, @ws, @tcp, @slow_ws, @slow_tcp), [],
          'what came was in order, without a gap');
my @served = grep { $_->last_number > $at_reload + 20 } @ws, @tcp;
cmp_ok(scalar @served, '>', 20, 'old workers deliver until they let go');
ok(wait_until(30, undef, sub { !$goim->nginx->old_worker_pids }),
   'and end then');
$goim->producer->stop_streams;
