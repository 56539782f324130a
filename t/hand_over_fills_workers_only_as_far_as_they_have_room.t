# A hand-over leaves each worker one in sixteen of its connections: where one
# has no room others are asked, and where nobody has, clients are let go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

use List::Util qw(max);

my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 3s;')->start;
my $nginx = $goim->nginx;
my @clients = map { $goim->connect_ws->join_room('live://1') } 1 .. 80;


sub reload {
    my @conf = @_;

    $goim->reload(@conf);
    wait_until(30, 'old workers to end', sub { !$nginx->old_worker_pids });
}


# room for 50 or so in each

reload(workers => 2, connections => 64);
is(scalar(grep { $_->is_closed } @clients), 0,
   'who has no room in one worker goes to another');

my $status = $goim->status;
is($status->{total}{connections}, 80, 'all of them');
cmp_ok(max(map { $_->{connections} } @{$status->{workers}}), '<=', 60,
       'and none is filled up');

# a sixth of the hundred has to go

$goim->reload(workers => 1);
my $total;
ok(wait_until(20, undef, sub {
    $total = $goim->status->{total};
    return $total->{handover_refused};
}), 'what nobody has room for is refused, and counted');

wait_until(30, 'the old workers to end', sub { !$nginx->old_worker_pids });
my $moved = $goim->status->{total}{moved_in};
cmp_ok($moved, '<=', 60, 'some connections stay free');

ok(wait_until(20, undef, sub {
    return 80 - $moved == grep { $_->is_closed } @clients;
}), 'those that are refused are let go');
is_deeply([grep { $_ ne 1012 } map { $_->expect_close }
           grep { $_->is_closed } @clients], [],
          'to come again');

# and the others are served

$goim->producer->room('live://1', 1000, 'here');
my @left = grep { !$_->is_closed } @clients;
is(scalar(grep { $_->next_body eq 'here' } @left), $moved,
   'the others are where they were');
is($goim->status->{total}{connections}, $moved, 'and counted');
