# goim-job may be killed at any moment: the next one goes on in the channel
# exactly where it was, and 200 clients get each number once and in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

use Time::HiRes qw(time);

my $seed = $ENV{GOIM_SEED} || int(rand(1e9));
srand($seed);

my $rate = Test::Goim->sanitized ? 100 : 250;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           channel => 'size=64k')->start;
my @clients = $goim->connect_many(200, {
    numbers => 1, token => { room_id => 'live://1' } });

my $stream = $goim->stream('live://1', count => 1e7, rate => $rate);

for my $kill (1 .. 10) {
    my $until = time + 0.05 + rand(0.9);
    wait_until(2, undef, sub { time > $until });

    $goim->job->kill9;
    $goim->job->start(ready => 0);
}

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
cmp_ok($count, '>', 100,
       "goim-job was killed again and again (seed $seed)");
ok($goim->all_reach($count, 30, @clients), 'the end reaches all 200 clients');
is_deeply($goim->faults(1, $count, @clients), [],
          'none is lost, none comes twice, all are in order');

# by now the last goim-job may only just have come
$goim->job->wait_ready;

is($goim->status->{lanes}[0]{seq}, $count + 1,
   'the lane has numbered each message as one record');
is(scalar(grep { !$_->is_open } @clients), 0, 'no client was closed');
