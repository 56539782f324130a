# A reload that switches goim_handover off leaves nobody to wait for: old workers
# let their connections go over goim_drain, and say so without a warning.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

my $n = 20;
my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 300ms;')->start;
my @clients = $goim->connect_many($n, { token => { room_id => 'live://1' } });

$goim->reload(http => 'goim_drain 300ms; goim_handover off;');
is(join(' ', map { $_->expect_close(60) || '-' } @clients),
   join(' ', (1012) x $n), 'all are told to come again');
wait_until(30, 'the old worker to end', sub {
    return !$goim->nginx->old_worker_pids;
});

is($goim->counted('handover_drained'), $n, 'and counted');
is($goim->counted('moved_out', 'handover_refused', 'handover_back'), 0,
   'none was offered');

# a warning would say that workers were expected, and did not come
like($goim->error_log, qr/\[notice\].*no worker takes the $n connections/,
     'it was known that nobody takes them');
