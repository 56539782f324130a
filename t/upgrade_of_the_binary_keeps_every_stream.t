# SIGUSR2 starts a new master beside the old one, in the same channel: old
# workers serve their clients until they are asked to let them go, the new
# ones take who comes.  SIGUSR1 opens the logs anew, SIGQUIT ends in grace.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 15;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(
    workers => 2, daemon => 'on',
    http => 'goim_handover off; goim_drain 2s; goim_room live://* { backlog 64m; }')->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @old = $goim->connect_many(40, $member);
my $generation = $goim->status->{channel}{generation};

my $stream = $goim->stream('live://1', count => 1e6, rate => 200);
ok($goim->all_reach(100, 10, @old), 'a stream is under way');

# the logs

my $dir = $goim->dir;
rename("$dir/$_", "$dir/$_.old") or die "$_: $!"
    for qw(error.log access.log);
CORE::kill('USR1', $nginx->pid);
ok(wait_until(10, undef, sub {
    return -e "$dir/error.log" && -e "$dir/access.log";
}), 'SIGUSR1 makes the logs anew');

my ($again) = $goim->connect_many(1, $member);
ok(wait_until(10, undef, sub {
    return slurp("$dir/access.log") =~ m{"GET /sub .*" 101 };
}), 'and what comes now is written there');
my $reached = $again->last_number + 100;
ok($goim->all_reach($reached, 10, @old, $again), 'the stream goes on');

# the binary

my $master = $nginx->pid;
my @workers = $nginx->worker_pids;

$nginx->upgrade;
my %is_old = map { $_ => 1 } @workers;
isnt($nginx->pid, $master, 'SIGUSR2: a new master');

$reached = $old[0]->last_number + 100;
ok($goim->all_reach($reached, 10, @old),
   'the old workers\' clients get their stream');
is(scalar(grep { !$_->is_open } @old), 0, 'and none is let go');

$nginx->quit_old;
ok(wait_until(10, undef, sub {
    return !grep { $is_old{$_->[0]} && $_->[1] !~ /shutting down/ }
        $nginx->children;
}), 'SIGQUIT: the old workers take nobody any more');

my @new = $goim->connect_many(20, $member);
is(scalar(grep { $is_old{$_} } $goim->worker_of(@new)), 0,
   'who comes now is with the new workers');
is($goim->status->{channel}{generation}, $generation,
   'which are in the same generation of the channel');

my %code;
$code{$_->expect_close(20) || 'none'}++ for @old;
is_deeply(\%code, { 1012 => 40 }, 'the old clients are let go with 1012');
ok(wait_until(20, undef, sub { !$nginx->old_alive }), 'the old master ends');

$reached = $new[0]->last_number + 100;
ok($goim->all_reach($reached, 10, @new), 'the new clients\' stream goes on');

is_deeply($goim->faults(undef, undef, @old, @new, $again), [],
          'nobody misses anything while connected')
    or diag(explain([map { $_->count } @old, @new]));

$goim->producer->stop_streams;
my $left = $goim->connect_ws->join_room('live://2');
CORE::kill('QUIT', $nginx->pid);
is($left->expect_close, 1012, 'SIGQUIT lets the last ones go in the same way');
wait_until(20, 'nginx to end', sub { !$nginx->alive });
