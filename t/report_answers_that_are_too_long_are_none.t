# Of an answer to a report that is larger than what is kept of it nothing is
# read: a count at its end might be half a number.  The report is taken.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 3;

my $goim = Test::Goim->new(workers => 1, kafka => 0, http => <<'HTTP',
goim_session /session interval=100ms;
HTTP
    server => <<'SERVER')->start;
location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

my $auth = $goim->auth;
my $client = $goim->connect_ws->join_room('live://1');


# Waits until two more reports were answered, the second as said before.
sub reported {
    my $n = $goim->status->{total}{session_reports};

    wait_until(20, 'reports', sub {
        $goim->status->{total}{session_reports} >= $n + 3;
    });
}


$auth->session(answer => "room live://1 5\n");
reported();
is($client->heartbeat, 5, 'an answer\'s count is what clients hear');

$auth->session(answer => "room live://1 777777\n" x 40_000);
reported();
is($client->heartbeat, 5, 'not so one of an answer that is too long');
is($goim->status->{total}{session_failed}, 0, 'whose report is taken');
