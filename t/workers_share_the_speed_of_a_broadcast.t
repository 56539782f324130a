# A speed is that of the host: each worker takes the share that its
# connections have in those of all workers, and they end together.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Test::Goim tests => 5;

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport')->start;

my @clients = $goim->connect_spread(24, { numbers => 1, token => {
    accepts => [1000], room_id => 'live://1' } });

# one worker has few

my @pids = $goim->worker_of(@clients);
my $few = $pids[0];
my @of_few = grep { $pids[$_] == $few } 0 .. $#clients;
my %left = map { $_ => 1 } @of_few[6 .. $#of_few];

$clients[$_]->disconnect for keys %left;
@pids = @pids[grep { !$left{$_} } 0 .. $#pids];
@clients = grep { $_->is_open } @clients;
ok(wait_until(30, undef, sub {
    $goim->status->{total}{connections} == @clients;
}), 'one worker has few clients');

my $stream = $goim->stream('live://1', count => 1e6, rate => 50);
ok($goim->all_reach(10, 30, @clients), 'a stream is under way');

my $speed = int(@clients / 4);
my $start = time;
$goim->push_all(1000, 'paced', speed => $speed);

my $all = wait_until(60, undef, sub { !grep { !$_->waiting } @clients });
my $seconds = time - $start;

ok($all, 'all get a broadcast with a speed');
cmp_ok($seconds, '>', 0.9 * @clients / $speed,
       'at the speed of all workers together');

# numbers tell the time; each worker is busy with it nearly to its end

my $first = $clients[0]->first_number;
my %last;

for my $i (0 .. $#clients) {
    my $after = $clients[$i]->next_push->{after} - $first;

    $last{$pids[$i]} = $after if $after > ($last{$pids[$i]} || 0);
}

my ($end) = sort { $b <=> $a } values %last;
is(scalar(grep { $_ < $end / 2 } values %last), 0,
   'and no worker has done long before another')
    or diag(join(' ', values %last));
$goim->producer->stop_streams;
