# A worker that shuts down lets no connection go without the broadcasts that
# are on their way to it: the worker that it comes back to does not send them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

my $goim = Test::Goim->new(
    workers => 1, http => 'goim_handover off; goim_drain 1s;',
    servers => '%%TCP_SERVER%%')->start;

my $token = { accepts => [1000] };
my @ws = $goim->connect_many(20, { token => $token });
my @tcp = map { $goim->connect_tcp->auth($token) } 1 .. 20;

$goim->push_all(1000, "slow $_", speed => 1) for 1 .. 3;
ok(wait_until(30, undef, sub { $goim->status->{total}{paced} == 3 }),
   'slow broadcasts are under way');
cmp_ok($goim->status->{total}{delivered}, '<', 60, 'and owed to some');

$goim->reload;

my %end;
$end{$_->expect_close(30) || 'none'}++ for @ws, @tcp;
is_deeply(\%end, { 1012 => 20, eof => 20 }, 'a reload lets all go');

my @wrong = grep { join(' ', $_->bodies) ne 'slow 1 slow 2 slow 3' } @ws, @tcp;
is(scalar @wrong, 0, 'with all that was on its way, in order');
ok(wait_until(30, undef, sub { !$goim->nginx->old_worker_pids }),
   'and the old worker ends');
