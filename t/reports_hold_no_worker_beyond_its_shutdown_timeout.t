# A worker that shuts down waits for its last report, but not longer than
# worker_shutdown_timeout, and logic's silence does not begin it anew.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 1;

my $goim = Test::Goim->new(workers => 1, kafka => 0,
                           main => 'worker_shutdown_timeout 1s;',
                           http => <<'HTTP', server => <<'SERVER')->start;
goim_session /session interval=100ms;
HTTP
location = /session {
            internal;
            proxy_read_timeout 1h;
            proxy_pass http://127.0.0.1:%%AUTH%%;
        }
SERVER

my $client = $goim->connect_ws->join_room('live://1');

$goim->auth->session(delay => 3600);
my $n = $goim->auth->bodies('/session');
wait_until(20, 'a report', sub { $goim->auth->bodies('/session') > $n });

$goim->nginx->reload;
ok(wait_until(20, undef, sub { !$goim->nginx->old_worker_pids }),
   'the old worker ends');
