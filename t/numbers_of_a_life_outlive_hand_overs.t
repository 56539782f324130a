# The numbers of a connection's whole life go along from worker to worker: how
# long it lasts, what it got, what it did not and why, as goim_access_log and
# the status of its key tell them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 17;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Test::Goim::Util qw(slurp);

# an offer is on its way for a second at most, which may not be counted
use constant { BEFORE => 4, LOST => 2.2 };

my $goim = Test::Goim->new(
    workers => 1, listen => 'sndbuf=64k', http => <<'HTTP',
goim_room live://* { backlog 64k; overflow skip; max_rate 20/s; }
    log_format end '$goim_key $goim_sent $goim_dropped $bytes_sent '
                   '$request_time';
    goim_access_log %%DIR%%/end.log end;
HTTP
    servers => <<'SERVERS')->start;
server {
        listen 127.0.0.1:%%PORT_tcp%% sndbuf=64k;
        goim_tcp /sub;
        %%locations%%
    }
SERVERS
my $nginx = $goim->nginx;


sub now { return clock_gettime(CLOCK_MONOTONIC) }
sub of_key { return $goim->status("/goim/status?key=$_[0]") }


# What the log has of a client.
sub line {
    my ($key) = @_;

    return split(/ /, wait_until(20, "the line of $key", sub {
        return (slurp($goim->dir . '/end.log') =~ /^\Q$key\E (.*)\n/m)[0];
    }));
}


my $connecting = now();
my %client = (ws => $goim->connect_ws(rcvbuf => 4096),
              tcp => $goim->connect_tcp(rcvbuf => 4096));
$client{$_}->join_room('live://1', key => $_) for sort keys %client;
my $connected = now();

$_->pause for values %client;

# more than the rate, and of the rest more than the backlog

my $n = 0;

for my $part (1 .. 20) {
    $goim->push_rooms(map { ['live://1', 1000, sprintf('%010000d', ++$n)] }
                          1 .. 100);
    wait_until(20, 'a part to be read', sub {
        return $goim->status->{total}{records} >= $n;
    });
}

# what is pending of a room goes with it

for my $key (sort keys %client) {
    $client{$key}->send_packet(12, 'other://1');
    wait_until(20, 'another room', sub {
        return of_key($key)->{room} eq 'other://1';
    });
}

$goim->push_room('other://1', 1000, "behind $_") for 1 .. 3;
$n += 3;

my %before;

for my $key (sort keys %client) {
    wait_until(60, 'some seconds of its life', sub {
        $before{$key} = of_key($key);
        return $before{$key}{age} >= BEFORE;
    });

    my $skips = $before{$key}{skipped_by};
    cmp_ok($before{$key}{sent}, '>', 0, "$key: something was sent");
    is(join(' ', sort grep { $skips->{$_} } keys %$skips),
       'backlog closed rate', 'and something skipped, for several reasons');
}

for my $round (1, 2) {
    $goim->reload;
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });
}
is(scalar(grep { $_->is_closed } values %client), 0, 'nobody is lost');

for my $key (sort keys %client) {
    my $client = $client{$key};
    my $lived = now() - $connected;
    my $after = of_key($key);

    cmp_ok($after->{age}, '>=', int($lived - LOST),
           "$key: its age goes on");
    is_deeply($after->{skipped_by}, $before{$key}{skipped_by},
              'what was skipped is known, by reason');

    # and all that was pending has gone out

    $client->resume;
    my $got = 0;
    my $body = '';

    while ($body ne 'behind 3') {
        $body = $client->next_body(30) // last;
        $got++;
    }

    my $all = wait_until(20, 'all to be sent', sub {
        my $told = of_key($key);
        return $told->{pending} == 0 ? $told : undef;
    });
    is($all->{sent}, $got, 'what was sent is what it got');
    is($all->{sent} + $all->{skipped}, $n, 'with what was not, it is all');

    $lived = now() - $connected;
    $goim->kick([$key]);
    $client->expect_close(20);

    my ($sent, $dropped, $bytes, $lasted) = line($key);
    is("$sent $dropped $bytes", "$got " . ($n - $got) . " $client->{received}",
       'the log has the same numbers, and each byte');
    ok($lasted >= $lived - LOST && $lasted <= now() - $connecting + 0.1,
       'and how long it lasted')
        or diag("$lasted of $lived");
}
