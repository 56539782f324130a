# A push to all with a speed reaches each connection that accepts its
# operation once, so many in a second, evenly; other messages do not wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);
use Test::Goim tests => 10;

my $goim = Test::Goim->new(workers => 1, servers => '%%TCP_SERVER%%')->start;

my $n = 60;
my $speed = 20;

# a few do not accept it

my @clients = $goim->connect_many($n - 10, sub {
    return { numbers => 1, token => {
        room_id => 'live://1', accepts => [$_[0] < 45 ? 1000 : 2000] } };
});
my @others = splice(@clients, 45);
push @clients, map {
    $goim->connect_tcp(numbers => 1)->auth({
        room_id => 'live://1', accepts => [1000] })
} 1 .. 10;

my $stream = $goim->stream('live://1', count => 1e6, rate => 100);
ok($goim->all_reach(10, 30, @clients, @others), 'a stream is under way');

my $start = time;
$goim->push_all(1000, 'paced', speed => $speed);

my $all = wait_until(60, undef, sub { !grep { !$_->waiting } @clients });
my $seconds = time - $start;

ok($all, 'all get a broadcast with a speed');
cmp_ok($seconds, '>', 0.9 * $n / $speed, 'no faster than it is to be');
cmp_ok(scalar(grep { $_->last_number > 20 } @clients), '==', @clients,
       'while other messages reach all');

# The stream tells when each got it: in many steps, none of them large.

my %step;
$step{$_->next_push->{after}}++ for @clients;
cmp_ok(scalar keys %step, '>=', 10, 'in many steps');
my ($largest) = sort { $b <=> $a } values %step;
cmp_ok($largest, '<', @clients / 2, 'no large one');

ok(wait_until(30, undef, sub { $goim->status->{total}{paced} == 0 }),
   'it is over');
$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 30, @clients, @others), 'and so is the stream');

my $total;
wait_until(10, undef, sub {
    $total = $goim->status->{total};
    return $total->{delivered} == $count * $n + @clients;
});
is_deeply([$total->{delivered} - $count * $n, $total->{drop_accepts}],
          [scalar @clients, scalar @others], 'each is counted');
is(scalar(grep { $_->waiting } @clients, @others), 0, 'nobody got it twice');
