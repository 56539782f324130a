# worker_shutdown_timeout ends while connections are offered to the only worker
# there is, which does not answer: they come back, and are let go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 7;

use Test::Goim::Handover qw(offer gave_up);

my $goim = Test::Goim->new(workers => 1,
    main => 'worker_shutdown_timeout 700ms;',
    http => 'goim_drain 100ms;', servers => '%%TCP_SERVER%%')->start;
my $nginx = $goim->nginx;
my $member = { token => { room_id => 'live://1' } };
my @clients = ($goim->connect_many(10, $member),
               map { $goim->connect_tcp->auth($member->{token}) } 1 .. 10);

my ($old, $still) = offer($goim, 1, 0);

ok(wait_until(10, undef, sub { gave_up($goim) }), 'one does not answer');
ok(wait_until(10, undef, sub { !grep { !$_->is_closed } @clients }),
   'nobody is kept for it');
ok(wait_until(10, undef, sub { !$nginx->old_worker_pids }),
   'the old worker ends');
is(join(' ', map { $_->expect_close || 'open' } @clients),
   join(' ', (1012) x 10, ('eof') x 10), 'all were told to come again');

CORE::kill('CONT', $still);
$nginx->expect_workers;

my ($new) = $goim->connect_many(1, $member);
is($goim->status->{total}{connections}, 1, 'the other one has none of them');
is($goim->counted('closed_shutdown'), 20, 'they were closed');
is($goim->counted('handover_back'), 20, 'once they were back');
