# The time that a client has for its next heartbeat does not begin anew with a
# worker that takes its connection over: who was silent ends when it would have
# ended, and a heartbeat gives it all of its time again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Test::Goim::Util qw(slurp);

# seconds: allowed, silent before the reload, and allowed for one that comes
# behind it, which ends before one that has all of its time again
use constant { ALLOWED => 9, SILENT => 6, LATE => 6 };

my $goim = Test::Goim->new(workers => 1, kafka => 0,
                           location => 'goim_heartbeat ' . ALLOWED . 's;',
                           http => <<'HTTP')->start;
log_format end '$goim_key $goim_close_reason';
    goim_access_log %%DIR%%/end.log end;
HTTP
my $nginx = $goim->nginx;
my (%client, %since, %lived);
my $round = 0;


sub now { return clock_gettime(CLOCK_MONOTONIC) }


# Keys with what they are allowed; nothing: what the location says.
sub connect_all {
    my %allowed = @_;

    for my $key (sort keys %allowed) {
        $since{$key} = now();
        $client{$key} = $goim->connect_ws->auth({
            key => "$key-$round", test => {
                headers => { 'X-Goim-Heartbeat' => $allowed{$key} } } });
    }
}


# Seconds since a client's heartbeat, as its worker has it.
sub silent { return $goim->status("/goim/status?key=$_[0]-$round")->{silent} }


sub reload {
    $goim->reload;
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });
}


# Where in the log they stand that have ended in this round, and why they have.
sub ends {
    my (%at, %why);

    $lived{$_} ||= now() - $since{$_}
        for grep { $client{$_}->is_closed } keys %client;

    for (slurp($goim->dir . '/end.log') =~ /^(\w+-$round \w+)\n/mg) {
        my ($key, $reason) = /^(\w+)-\d+ (\w+)/;
        $at{$key} = keys %at;
        $why{$key} = $reason;
    }

    return (\%at, \%why);
}

my ($moved, @silent);

while (!$moved && $round++ < 3) {
    $_->disconnect for values %client;
    connect_all(own => ALLOWED, location => undef, beats => ALLOWED,
                patient => 3600);
    wait_until(30, 'silence', sub { silent('location') >= SILENT });

    @silent = silent('patient');

    for (1, 2) {
        reload();
        push @silent, silent('patient');
    }

    # a slow machine may have taken all of the time for that
    $moved = !grep { $_->is_closed } values %client;
}
ok($moved, 'they are handed over in their time');
cmp_ok($silent[1], '>=', $silent[0],
       'who was silent is behind a reload as well');
cmp_ok($silent[2], '>=', $silent[1], 'and behind another');

$since{beats} = now();
$client{beats}->heartbeat;
connect_all(late => LATE);

my ($at, $why);

ok(wait_until(4 * ALLOWED, undef, sub {
    ($at, $why) = ends();
    return !grep { !defined $at->{$_} || !$lived{$_} }
        qw(own location beats late);
}), 'all of them end');

for my $key (qw(own location)) {
    ok($at->{$key} < $at->{late},
       "$key: who was silent gets no whole time once more");
}

is(join(' ', map { $why->{$_} } qw(own location beats)),
   'timeout timeout timeout', 'silence has ended them');
cmp_ok($lived{own}, '>=', ALLOWED * 15 / 16, 'but nobody before its time');
cmp_ok($lived{beats}, '>=', ALLOWED - 0.1, 'which a heartbeat begins anew');
ok($client{patient}->is_open, 'who has more goes on');
