# goim_session tells logic in batches who came, who left and how many each
# room has; what is not taken is told again, and the answer's counts are what
# clients hear.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 32;

my $session = 'goim_session /session interval=100ms';

my $goim = Test::Goim->new(workers => 1, http => "$session; goim_handover off; goim_drain 1s;",
                           server => <<'SERVER', servers => '%%TCP_SERVER%%')->start;
location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

my $auth = $goim->auth;


# All lines that were taken or refused so far, from a report's number on.
sub lines {
    my ($from) = @_;

    my @reports = $auth->bodies('/session');

    return map { split(/\n/, $_) } @reports[($from || 0) .. $#reports];
}


sub reports { return scalar @{[$auth->bodies('/session')]} }


# What a line that comes in time has caught, from a report's number on.
sub told {
    my ($pattern, $from) = @_;

    return wait_until(30, undef, sub {
        for my $line (lines($from)) {
            my ($caught) = $line =~ /^$pattern$/ or next;
            return $caught;
        }
        return;
    });
}


my $before = told('session 1 comet-1 0 (\d+) complete 0');
ok($before, 'a worker begins with a report, who it is and in what epoch');

my $from = reports();
$goim->kill_worker(KILL => 0);
my $epoch = told('session 1 comet-1 0 (\d+) complete 0', $from);
cmp_ok($epoch || 0, '>', $before, 'a killed one\'s successor has a new epoch');

# who comes and goes

my $ws = $goim->connect_ws->join_room('live://1', mid => 5, key => 'one two%',
    test => { headers => { 'X-Goim-Conn' => 'given-id' } });
ok(told('connect given-id one%20two%25 5 websocket 127\.0\.0\.1 \d+'),
   'who came, with what would end a field encoded');

my $tcp = $goim->connect_tcp->auth({ room_id => 'live://1', key => 'three' });
my $id = told('connect (\S+) three 0 tcp 127\.0\.0\.1 \d+');
like($id, qr/^[0-9a-f]+-[0-9a-f]+$/, 'who has no id from logic gets one');
ok(told('room live://1 2'), 'how many are in a room');
ok(told('session 1 comet-1 \d+ \d+ complete 2'),
   'and how many this worker has');

my $third = $goim->connect_ws->join_room('live://1', key => 'four');
$third->close_politely;
ok(told('disconnect \S+ four 0 client'), 'who left, and why');

$goim->connect_ws->join_room('live://solo', key => 'five')->disconnect;
ok(told('room live://solo 0'), 'that a room is empty is told at once');

# kicks spare by that id

$goim->kick(['three'], reason => 'replaced', spare => $id);
$goim->push_room('live://1', 1000, 'after');
is($tcp->next_body, 'after', 'a kick spares the id that was reported');

# counts

is($ws->heartbeat, 2, 'until logic tells, a heartbeat counts this host');
$auth->session(answer => "other line\nroom live://1 1234\nroom\nroom x\n"
               . "room live://9 7\nroom " . 'x' x 900 . " 1\n");
ok(wait_until(30, undef, sub { $ws->heartbeat == 1234 }),
   'then it has logic\'s count');

# logic is away

$auth->session(status => 503);
ok(wait_until(30, undef, sub { $goim->status->{total}{session_failed} > 0 }),
   'a report that is not taken is counted');
$from = reports();
my $during = $goim->connect_ws->join_room('live://2', key => 'during');
my $short = $goim->connect_ws->join_room('live://2', key => 'short');
$short->close_politely;
$short->expect_close;
ok(wait_until(30, undef, sub { reports() >= $from + 2 }),
   'it is tried again and again');
is((lines(reports() - 1))[0], (lines($from))[0], 'as it was');

$auth->session(answer => '');
ok(told('connect \S+ during 0 websocket 127\.0\.0\.1 \d+', $from),
   'who came meanwhile is told when it is back');
ok(told('disconnect \S+ short 0 client', $from), 'and who left');
like($goim->error_log, qr{goim session: "/session" answered 503 instead},
     'the error log says what was wrong');
like($goim->error_log, qr/goim session: reports are taken again/,
     'and that it is over');

# logic has forgotten

$from = reports();
$auth->session(answer => "resync\n");
ok(told("session 1 comet-1 \\d+ (?!$epoch )\\d+ \\w+ 3", $from),
   'asked to, the worker begins a new epoch');
$auth->session(answer => '');
ok(told('connect given-id one%20two%25 5 \S+ \S+ \d+', $from), 'and tells of all');
ok(told("connect \Q$id\E three 0 \\S+ \\S+ \\d+", $from), 'with their ids');
ok(told('session 1 comet-1 \d+ \d+ complete 3', $from),
   'until it is complete again');

# renewals

$goim->reload(http => "$session renew=500ms; goim_handover off; goim_drain 1s;");
is($_->expect_close(30), $_ == $tcp ? 'eof' : 1012, 'reload: a client goes')
    for $ws, $tcp, $during;
ok(told('disconnect given-id one%20two%25 5 shutdown'), 'which is told');
ok(told("session 1 comet-1 \\d+ \\d+ last 0"), 'as is the worker\'s end');
ok(wait_until(30, undef, sub { !$goim->nginx->old_worker_pids }),
   'after which it ends');

my @many = $goim->connect_many(20, { token => { room_id => 'live://3' } });
$from = reports();
ok(wait_until(30, undef, sub {
       my %renewed = map { /^renew (\S+) \S+ 0$/ ? ($1 => 1) : () }
           lines($from);
       return keys %renewed == 20;
   }), 'all connections are renewed');

# the end, while logic is away

$auth->session(status => 500);
my $last = $goim->connect_ws->join_room('live://4');
$goim->reload;
is($last->expect_close(30), 1012, 'a worker that shuts down lets go');
ok(wait_until(60, undef, sub { !$goim->nginx->old_worker_pids }),
   'and does not wait for ever until its last report is taken');
$auth->session(answer => '');

my $total = $goim->status->{total};
cmp_ok($total->{session_reports}, '>', 0, 'reports are counted');
