#!/usr/bin/perl
# A million clients on one machine: as many nginx workers and load generators
# as the file limit asks for, all in one room, with heartbeats, and pushes to all
# of them.  Tells how long connecting took, what it cost in memory, and how long
# the first and the last client waited for a message.
#
#     bench/million.pl [CLIENTS]
#
# It needs some 12 KB of memory for each client, most of it the kernel's for
# both ends, and takes some minutes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP;
use List::Util qw(max min sum);
use POSIX qw(ceil);
use Time::HiRes qw(sleep time);

use Test::Goim::Nginx;
use Test::Goim::Process;
use Test::Goim::Util qw(slurp);

my $top = abs_path("$FindBin::Bin/..");
my $tools = "$top/build/t";
my $clients = $ARGV[0] || 1_000_000;
my $body = 100;
my $channel_size = 64 * 1024 * 1024;
my $json = JSON::PP->new;
$| = 1;

# of a worker's files; the kernel spreads clients over the workers by a hash,
# and nginx wants a sixteenth of its connections free
my ($files) = slurp('/proc/self/limits') =~ /^Max open files\s+(\d+)/m;
my $per_process = int(($files - 500) * 0.85);
my $n = ceil($clients / $per_process);
my $per_load = ceil($clients / $n);

my $dir = tempdir('goim-million-XXXXXXXX', DIR => '/dev/shm');
chmod(0755, $dir);
my (@loads, $nginx, $publisher);

END {
    $_ && $_->kill('KILL') for @loads, $publisher;
    $_ && $_->stop('KILL', 60) for @loads, $publisher;
    $nginx->stop if $nginx;
    remove_tree($dir) if $dir;
}
$SIG{$_} = sub { exit(1) } for qw(INT TERM HUP);


sub say_line { printf("%-44s %s\n", @_) }


# Memory that the machine has given out, in MB.
sub used_mb {
    my ($total) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
    my ($free) = slurp('/proc/meminfo') =~ /^MemAvailable:\s+(\d+)/m;

    return ($total - $free) / 1024;
}


sub workers_mb {
    return sum(map { slurp("/proc/$_/smaps_rollup") =~ /^Pss_Anon:\s+(\d+)/m
                     ? $1 / 1024 : 0 } $nginx->worker_pids);
}


# The sums and extremes of all generators' statistics.
sub stats {
    $_->say('stats') for @loads;
    my @all = map { $json->decode($_->answer(qr/^\{/, 600)) } @loads;

    return {
        (map { my $key = $_; $key => sum(map { $_->{$key} } @all) }
         qw(ready failed closed messages lost doubled)),
        p50_ms => max(map { $_->{p50_us} } @all) / 1000,
        max_ms => max(map { $_->{max_us} } @all) / 1000,
    };
}


sub wakeups {
    my ($status) = $nginx->get('/goim/status')->{body}
        =~ /"wakeups":(\d+)/;

    return $status;
}


$nginx = Test::Goim::Nginx->new(
    dir => $dir, channel_path => "$dir/channel",
    binary => $ENV{GOIM_NGINX} || '/usr/sbin/nginx',
    module_path => $ENV{GOIM_MODULE}
        || "$top/build/ngx_http_goim_module.so",
    conf => {
        workers => $n, channel => "size=$channel_size", log_level => 'crit',
        connections => $files - 200, listen => 'reuseport backlog=4096',
        http => 'access_log off; goim_room live://* { backlog 1m; }',
        location => 'goim_identity key=$connection mid=1'
            . ' room=live://0 accepts=1000; goim_heartbeat 10m;' });
$nginx->start;

my $before = { used => used_mb(), workers => workers_mb() };
say_line('clients, workers, generators', "$clients, $n, $n");

my $began = time;

for my $i (0 .. $n - 1) {
    local $ENV{GOIM_LOAD_FROM} = '127.0.1.' . (2 * $i + 1);
    my $count = min($per_load, $clients - $i * $per_load);

    push @loads, Test::Goim::Process->new(
        name => "load$i", dir => $dir, pipe => 1, out => "$dir/load.err",
        argv => ["$tools/goim_load", '127.0.0.1:' . $nginx->port,
                 '/sub', $count]);
}

$_->answer(qr/^\{/, 1200) for @loads;
my $stats = stats();

say_line('connected', sprintf('%d in %.0f s', $stats->{ready},
                              time - $began));
die "$stats->{failed} were not let in\n" if $stats->{failed};

my $workers = workers_mb() - $before->{workers};
my $used = used_mb() - $before->{used};
say_line('memory of the workers', sprintf(
    '%.0f MB, %.0f bytes a client', $workers, $workers * 1048576 / $clients));
say_line('memory of the machine', sprintf('%.1f GB, %.1f KB a client',
                                          $used / 1024,
                                          $used * 1024 / $clients));

$publisher = Test::Goim::Process->new(
    name => 'publish', dir => $dir, pipe => 1, out => "$dir/publish.err",
    argv => ["$tools/bench_publish", "$dir/channel", $channel_size]);
$publisher->answer(qr/^ready/);

# heartbeats, one in four minutes of each, as goim's clients send them
$_->say('beat 240000') for @loads;

for my $rate (0.1, 1, 10) {
    my $seconds = $rate < 1 ? 30 : 20;
    my $wakeups = wakeups();

    $_->say('reset') for @loads;
    $began = time;
    $publisher->say("run 1 $rate 1 $body $seconds");
    my ($sent) = $publisher->answer(qr/^done/, 300) =~ /(\d+)/;

    $stats = stats();
    while ($stats->{messages} < $sent * $clients && time - $began < 240) {
        sleep(0.2);
        $stats = stats();
    }

    say_line("$rate messages/s to all", sprintf(
        '%d of %d arrived, lost %d, doubled %d, closed %d, in %.1f s',
        $stats->{messages}, $sent * $clients, $stats->{lost},
        $stats->{doubled}, $stats->{closed}, time - $began));
    say_line('  a message took, p50 and the last client', sprintf(
        '%.1f s, %.1f s', $stats->{p50_ms} / 1000, $stats->{max_ms} / 1000));
    say_line('  workers woken for each message', sprintf(
        '%.1f', (wakeups() - $wakeups) / $sent));
}

$stats = stats();
say_line('still connected', $stats->{ready});
