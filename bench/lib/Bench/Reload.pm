# Reloads under load: what they do to clients that are to notice nothing.

package Bench::Reload;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max);

use Bench::Connections qw(workers_for);
use Bench::Measure qw(alone arrived median publish_until run);
use Bench::Server;
use Test::Goim::Util qw(slurp);

our @EXPORT_OK = qw(reload_cell);


# Clients in so many rooms, rate messages a second altogether; reloads, one
# after the other, each with the number of workers that stands next in
# workers => [...], if it is there.  p99 while an old worker was there, beside
# that of three seconds before: medians; and the worst; and for how long old
# workers were there, at most.  Dies if a client was disconnected, or a message
# was not what it should have been.
sub reload_cell {
    my ($name, $clients, %opt) = @_;

    return alone($name, 'times the usual p99', 'ratio', sub {
        my @workers = @{$opt{workers} || [workers_for($clients)]};
        my $server = Bench::Server->start(
            kind => 'module', clients => $clients, rooms => $opt{rooms},
            workers => $workers[0],
            slots => Bench::Load::files() - 200);
        my (@before, @during, @seconds);

        run($server, $opt{rate}, 1, 1);

        for my $i (1 .. $opt{reloads}) {
            push @before, run($server, $opt{rate}, 1, 3)->{p99_us};

            my $reload = reload($server, $opt{rate},
                                $workers[$i % @workers]);
            push @during, $reload->{p99_us};
            push @seconds, $reload->{seconds};
        }

        my ($usual, $meanwhile) = (median(@before), median(@during));
        my %got = (ratio => $meanwhile / $usual, p99_us => $meanwhile,
                   p99_before_us => $usual, p99_worst_us => max(@during),
                   seconds => max(@seconds), reloads => $opt{reloads},
                   workers => max(@workers));
        $server->stop;

        return \%got;
    });
}


# One of them; messages begin before it and end when no old worker is left.
sub reload {
    my ($server, $rate, $workers) = @_;

    my $nginx = $server->{nginx};
    my $load = $server->{load};

    $load->reset;
    my @old = $nginx->worker_pids;

    $nginx->write_conf(workers => $workers);
    kill('HUP', $nginx->pid);

    my ($offered, $seconds) = publish_until(
        $server, $rate, 0.2, 120, 'old workers stay',
        sub { !grep { kill(0, $_) } @old });

    $server->{pids} = [$nginx->worker_pids];

    my $stats = arrived($load, $offered);
    my $missing = $offered - $stats->{messages};

    die "a reload: $stats->{closed} clients were closed, $missing messages are "
        . "missing, $stats->{lost} were passed over, $stats->{doubled} came "
        . "twice or out of order\n", slurp("$server->{dir}/error.log")
        if $missing || grep { $stats->{$_} } qw(closed lost doubled);

    return { p99_us => $stats->{p99_us}, seconds => $seconds };
}


1;
