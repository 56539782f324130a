# A speed is that of the host: each worker takes the share that its
# connections have in those of all workers, and they end together.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Test::Goim tests => 5;

my $goim = Test::Goim->new(workers => 3, listen => 'reuseport')->start;

my $token = { numbers => 1, token => {
    accepts => [1000], room_id => 'live://1' } };
my @clients = $goim->connect_spread(10, $token);
my %on;
my @pids = $goim->worker_of(@clients);
$on{$pids[$_]}++ for 0 .. $#clients;
is(scalar keys %on, 3, 'clients on three workers');

my $speed = @clients / 4;
my $stream = $goim->stream('live://1', count => 1e6, rate => 50);
ok($goim->all_reach(10, 30, @clients), 'a stream is under way');

my $start = time;
$goim->push_all(1000, 'paced', speed => int($speed));

my $all = wait_until(60, undef, sub { !grep { !$_->waiting } @clients });
my $seconds = time - $start;

ok($all, 'all get a broadcast with a speed');
cmp_ok($seconds, '>', 3.5, 'at the speed of all workers together');

# numbers tell the time; each worker is busy with it nearly to its end

my (%last, $end);
for my $i (0 .. $#clients) {
    my $after = $clients[$i]->next_push->{after};

    $last{$pids[$i]} = $after if $after > ($last{$pids[$i]} || 0);
}
($end) = sort { $b <=> $a } values %last;
my @early = grep { $_ < $end / 2 } values %last;
is(scalar @early, 0, 'and no worker is done much before others')
    or diag(join(' ', values %last));
$goim->producer->stop_streams;
