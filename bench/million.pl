#!/usr/bin/perl
# A million clients on one machine: as many nginx workers and load generators
# as the file limit asks for, all in one room, with heartbeats, and pushes to all
# of them.  Tells how long connecting took, what it cost in memory, how long the
# clients waited for a message, and by the server's own counters where messages
# and connections went.  Fails if a message is missing that these do not tell of.
#
#     bench/million.pl [CLIENTS [RATE ...]]
#
# RATE is messages a second to all of them, 0.1, 1 and 10 if none is given.  It
# needs some 12 KB of memory for each client, most of it the kernel's for both
# ends, and takes some minutes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";

use List::Util qw(sum);
use Time::HiRes qw(sleep time);

use Bench::Measure qw(BODY);
use Bench::Server;
use Test::Goim::Util qw(slurp);

# seconds for what is under way to arrive once nothing more is published
use constant PATIENCE => 240;

my ($clients, @rates) = @ARGV ? @ARGV : 1_000_000;
@rates = (0.1, 1, 10) if !@rates;
$| = 1;


sub say_line { printf("%-44s %s\n", @_) }


# Memory that the machine has given out, in MB.
sub used_mb {
    my ($total) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
    my ($free) = slurp('/proc/meminfo') =~ /^MemAvailable:\s+(\d+)/m;

    return ($total - $free) / 1024;
}


# The same clients all the time, and no message that nobody tells of.
sub check {
    my ($sent, $stats, $since) = @_;

    my $missing = $sent * $clients - $stats->{messages};
    my $counted = sum(map { $since->{$_} } grep { /^drop_/ } keys %$since);
    my $closed = sum(map { $since->{$_} } grep { /^closed_/ } keys %$since);
    my @reasons = map { "$_ $since->{$_}" }
        grep { $since->{$_} } sort keys %$since;

    say_line('  the server has dropped and closed', "@reasons") if @reasons;
    say_line('  closed, as the clients see it', $stats->{closed})
        if $stats->{closed};

    # a client that is gone may have missed all of them
    die "$missing messages are missing, $counted of them are counted\n"
        if $closed ? $missing > $counted + $closed * $sent
                   : $missing != $counted;
    die "$stats->{lost} numbers were skipped, $stats->{doubled} came again\n"
        if $stats->{doubled} || $stats->{lost} > $counted;
}


# How often a worker that slept was woken for messages.
sub wakeups {
    my ($server) = @_;

    return sum(map { $_->{job}{wakeups} } @{$server->status->{lanes}});
}


sub step {
    my ($server, $rate) = @_;

    my $load = $server->{load};

    $load->reset;
    my $before = $server->totals;
    my $wakeups = wakeups($server);
    my $began = time;

    my ($sent) = $server->publish($rate, 1, BODY, $rate < 1 ? 30 : 20);
    my ($stats, $last, $ended) = ($load->stats, -1, time);

    while ($stats->{messages} < $sent * $clients
           && time - $ended < PATIENCE)
    {
        $ended = time if $stats->{messages} != $last;
        $last = $stats->{messages};
        sleep(0.2);
        $stats = $load->stats;
    }

    say_line("$rate messages/s to all", sprintf(
        '%d of %d arrived, in %.1f s', $stats->{messages}, $sent * $clients,
        time - $began));
    say_line('  a message took, p50 and the last client', sprintf(
        '%.1f s, %.1f s', map { $stats->{$_} / 1e6 } qw(p50_us max_us)));
    say_line('  workers woken for each message', sprintf(
        '%.1f', (wakeups($server) - $wakeups) / $sent));

    check($sent, $stats, $server->since($before));
}


my $used = used_mb();
my $server = Bench::Server->start(
    kind => 'module', clients => $clients, spread => 1, backlog => '1m',
    heartbeat => '10m');
$used = used_mb() - $used;

say_line('clients, workers', "$clients, $server->{workers}");
say_line('connected', sprintf('in %.0f s', $server->{load}{seconds}));

my $workers = $server->pss_kb - $server->{empty_kb};
say_line('memory of the workers', sprintf(
    '%.0f MB, %.0f bytes a client', $workers / 1024,
    $workers * 1024 / $clients));
say_line('memory of the machine', sprintf('%.1f GB, %.1f KB a client',
                                          $used / 1024,
                                          $used * 1024 / $clients));

# one in four minutes of each, as goim's clients send them
$server->{load}->say('beat 240000');
step($server, $_) for @rates;

say_line('still connected', $server->{load}->stats->{ready});
$server->stop;
