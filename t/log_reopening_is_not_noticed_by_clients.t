# SIGUSR1 after the logs were moved away: what comes then is written to new
# files, error_log, access_log and goim_access_log alike, by old and by new
# connections; and no client notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(
    workers => 2, listen => 'reuseport', http => <<'HTTP',
log_format end '$goim_key $goim_close_reason';
    goim_access_log %%DIR%%/end.log end;
    goim_access_log %%DIR%%/buffered.log end buffer=64k;
    goim_handover off; goim_drain 1s;
HTTP
    servers => '%%TCP_SERVER%%')->start;

my $dir = $goim->dir;
my @logs = qw(error access end buffered);
my $n = 0;


sub member {
    return { numbers => 1, token => { room_id => 'live://1',
                                      key => 'k' . ++$n } };
}


# Whether a log's file has what matches.
sub has {
    my ($log, $pattern) = @_;

    return wait_until(30, undef, sub {
        return slurp("$dir/$log") =~ /$pattern/m;
    });
}


my @clients = $goim->connect_spread(2, \&member);
push @clients, map {
    $goim->connect_tcp(numbers => 1)->auth(member()->{token})
} 1 .. 2;

my $stream = $goim->stream('live://1', count => 1e7, rate => 200);
ok($goim->all_reach(50, 30, @clients), 'a stream is under way');

# before: a line in each, of which one is still in its worker's memory

my $early = $goim->connect_ws->auth({ key => 'early' });
$early->close_politely;
$early->expect_close;
ok(has('end.log', '^early client$'), 'a connection ends before');
is(slurp("$dir/buffered.log"), '', 'a buffered log keeps its line');

rename("$dir/$_.log", "$dir/$_.old") or die "$_: $!" for @logs;
kill('USR1', $goim->nginx->pid);

ok(wait_until(30, undef, sub { return !grep { !-e "$dir/$_.log" } @logs }),
   'SIGUSR1 makes all files anew');

# the last that a worker says into the old file; then it opens all
for my $pid ($goim->worker_pids) {
    has('error.old', "$pid#$pid: reopening logs") or die 'no word of it';
}

ok(has('buffered.old', '^early client$'),
   'what was kept in memory goes where it belongs');

my $last = $clients[0]->last_number;
my $left = shift @clients;
$left->close_politely;
$left->expect_close;
ok(has('end.log', "^$left->{token}{key} client\$"),
   'a client of before ends: the new file');

my @late = $goim->connect_spread(1, \&member);
ok(has('access.log', '"GET /sub .*" 101 '), 'others come: the new file');
my $tcp = pop @clients;
$tcp->send_bytes("\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0");
$tcp->expect_close;
ok(has('end.log', '^k\d+ protocol$'), 'one breaks the protocol: the new file');

ok($goim->all_reach($last + 200, 30, @clients, @late),
   'the stream goes on for all others');
is(scalar(grep { !$_->is_open } @clients, @late), 0, 'none is closed');

# all workers write there, also what they log as errors

my @old = map { -s "$dir/$_.old" } @logs;
$goim->reload;
is(join(' ', map { $_->expect_close(30) || 'none' }
        grep { !$_->isa('Test::Goim::TcpClient') } @clients, @late),
   join(' ', (1012) x (@clients + @late - 1)), 'a reload lets them go');
ok(has('error.log', 'gracefully shutting down'),
   'the error log has what workers say');
ok(wait_until(30, undef, sub {
    my $text = slurp("$dir/end.log");
    return @clients + @late == (() = $text =~ / shutdown$/mg);
}), 'and goim_access_log has the end of each');
is(join(' ', map { -s "$dir/$_.old" } @logs), "@old",
   'the old files get no more');
