# Cells about connections: what they take when nothing is sent to them, how
# fast they come, and what comes back when they have gone.

package Bench::Connections;

use strict;
use warnings;

use Exporter qw(import);
use POSIX qw(ceil);
use Time::HiRes qw(sleep time);

use Bench::Load;
use Bench::Measure qw(
    run pairs cell alone arrived publish_until count_losses);
use Bench::Server;

our @EXPORT_OK = qw(
    memory_cell memory_after_cell connects_cell heartbeats_cell storm_cell
    workers_for);


# Bytes of the workers for each idle client, key and mid set; with WebSocket
# beside them, what nginx takes for a slot of worker_connections, clients or
# not.
sub memory_cell {
    my ($name, $clients, $transport) = @_;

    return alone($name, 'bytes of a worker, per idle client', 'bytes', sub {
        my $server = start_idle($clients, $transport);
        my %got = (bytes => taken_kb($server) * 1024 / $clients,
                   connects => $server->{load}->connects);
        $server->stop;
        $got{slot_bytes} = slot_bytes() if !$transport;

        return \%got;
    });
}


# In rooms of ten.
sub start_idle {
    my ($clients, $transport) = @_;

    return Bench::Server->start(kind => 'module', clients => $clients,
                                rooms => $clients / 10,
                                transport => $transport || 'ws');
}


sub taken_kb {
    my ($server) = @_;

    return $server->pss_kb - $server->{empty_kb};
}


sub slot_bytes {
    my %kb;

    for my $slots (1000, 19000) {
        my $server = Bench::Server->start(kind => 'module', slots => $slots);
        $kb{$slots} = $server->{empty_kb};
        $server->stop;
    }

    return ($kb{19000} - $kb{1000}) * 1024 / 18000;
}


# What is still held of the memory that clients took, some seconds after all
# have left at once; they had been sent messages.
sub memory_after_cell {
    my ($name, $clients) = @_;

    return alone($name, '% of the clients\' memory still held', 'percent',
                 sub {
        my $server = start_idle($clients);

        run($server, $clients / 10, 1, 2);
        my $full = taken_kb($server);

        $server->{load}->say('close');
        my $began = time;
        sleep(0.05) while $server->totals->{connections} && time - $began < 60;
        die "not all clients have left\n" if $server->totals->{connections};

        $began = time;
        sleep(0.1) while taken_kb($server) > 0.05 * $full
            && time - $began < 5;

        my %got = (percent => 100 * taken_kb($server) / $full,
                   held_kb => taken_kb($server), full_kb => $full,
                   bytes => $full * 1024 / $clients);
        $server->stop;

        return \%got;
    });
}


# How fast clients come, each with a first heartbeat, and the server's CPU for
# each; where load is below 1 the clients' side was the slower one.
sub connects_cell {
    my ($name, $clients, %opt) = @_;

    return alone($name, 'connects/s, one worker', 'connects', sub {
        my $server = Bench::Server->start(kind => 'module',
                                          clients => $clients, %opt);
        my $load = $server->{load};
        my %got = (connects => $load->connects,
                   cpu_us => $server->{connect_us},
                   load => $server->{connect_us} * $load->connects / 1e6,
                   resumed => $load->{resumed});
        $server->stop;

        return \%got;
    });
}


# Share of a core that heartbeats take, one in 9 seconds of each client.
sub heartbeats_cell {
    my ($name, $clients) = @_;

    local $Bench::Measure::repeats = ($Bench::Measure::repeats + 2) / 3;

    my $got = pairs('percent', sub {
        my ($server) = @_;

        $server->{load}->say('beat 9000');
        sleep(1);

        my ($cpu, $began) = ($server->cpu_ns, time);
        sleep(6);

        return { percent => ($server->cpu_ns - $cpu) / (time - $began) / 1e7,
                 p99_us => 0, offered => 0, received => 0 };
    }, clients => $clients, rooms => $clients / 10);

    return cell($name, '% of a core', 'percent', $got);
}


# Clients that are all cut off at once and come back, while 1,000 others in ten
# rooms get 100 messages a second; these must lose nothing.  auth => 1: each is
# authenticated by goim-logic, with sessions in its memory.
sub storm_cell {
    my ($name, $clients, %opt) = @_;

    return alone($name, 'connects/s of those who come back', 'connects', sub {
        my $server = Bench::Server->start(
            kind => 'module', clients => 1000, rooms => 10, first => 1,
            workers => workers_for($clients), slots => Bench::Load::files()
                                                       - 200, %opt);
        my $storm = $server->connect(
            clients => $clients, rooms => 100, type => 'storm',
            token => $opt{auth}
                ? '{"mid":1,"room_id":"storm://%d","accepts":[]}' : undef);

        my $before = run($server, 100, 1, 3);
        my %got = (%{storm($server, $storm)},
                   p99_before_us => $before->{p99_us},
                   max_before_us => $before->{max_us},
                   first_connects => $storm->connects);
        my $after = run($server, 100, 1, 2);
        $got{p99_after_us} = $after->{p99_us};
        $server->stop;

        return \%got;
    });
}


sub workers_for { return ceil($_[0] / Bench::Load::most()) }


sub storm {
    my ($server, $storm) = @_;

    $server->{load}->reset;
    my $before = $server->totals;
    my $cpu = $server->cpu_ns;

    $storm->say('cut');

    my ($offered, $seconds) = publish_until(
        $server, 100, 0.1, 300, 'the storm does not end',
        sub { $storm->has_spoken });

    $cpu = $server->cpu_ns - $cpu;

    my $back = $storm->gather;
    my $stats = arrived($server->{load}, $offered);

    count_losses($server, $before, $offered, $stats);
    die "$stats->{closed} of those who stay were closed\n"
        if $stats->{closed};

    return { connects => $storm->{n} / $seconds, seconds => $seconds,
             cpu_us => $cpu / 1000 / $storm->{n},
             tried_again => $back->{failed}, p50_us => $stats->{p50_us},
             p99_us => $stats->{p99_us}, max_us => $stats->{max_us} };
}


1;
