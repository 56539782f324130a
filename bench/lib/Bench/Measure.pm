# How a number is got: one run of messages, the highest rate, and the medians
# of several pairs of module and floor, or of several runs of the module alone.

package Bench::Measure;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max sum);
use Time::HiRes qw(sleep time);

use Bench::Server;

our @EXPORT_OK = qw(
    run run_rate sustained arrived publish_until count_losses pairs cell
    cpu_cell alone median BODY);

use constant BODY => 100;

our $repeats = $ENV{GOIM_BENCH_REPEATS} || 3;


# One run: rate messages a second altogether for so many seconds, burst at a
# time.  What came of it; dies if a message is missing that nobody counted.
sub run {
    my ($server, $rate, $burst, $seconds) = @_;

    my $per_message = $server->{clients} / $server->{rooms};
    my $load = $server->{load};

    $load->reset;
    my $before = $server->totals;
    my $cpu = $server->cpu_ns;
    my $began = time;

    my ($sent, $late) = $server->publish($rate, $burst, BODY, $seconds);

    my $offered = $sent * $per_message;
    my $stats = arrived($load, $offered);
    my $took = time - $began;
    $cpu = $server->cpu_ns - $cpu;

    my $counted = count_losses($server, $before, $offered, $stats);

    return {
        offered => $offered, received => $stats->{messages},
        dropped => $counted, seconds => $took,
        rate => $stats->{messages} / $took,
        cpu_us => $cpu / 1000 / ($stats->{messages} || 1),
        load => $cpu / 1e9 / $took,
        p50_us => $stats->{p50_us}, p99_us => $stats->{p99_us},
        max_us => $stats->{max_us},
        kept_up => !$counted && $took < $seconds * 1.05 + 0.3
                   && $late < $seconds * 50,
    };
}


# What clients tell when they have so many messages, or no more come for five
# seconds.
sub arrived {
    my ($load, $offered) = @_;

    my ($stats, $last, $moved) = ($load->stats, -1, time);

    while ($stats->{messages} < $offered && time - $moved < 5) {
        $moved = time if $stats->{messages} != $last;
        $last = $stats->{messages};
        sleep(0.005);
        $stats = $load->stats;
    }

    return $stats;
}


# Messages at such a rate, for so many seconds at a time, until something has
# come about: how many the clients are to get, and after how many seconds that
# was.
sub publish_until {
    my ($server, $rate, $piece, $limit, $what, $condition) = @_;

    my ($sent, $began) = (0, time);

    while (1) {
        ($sent) = map { $sent + $_ }
            ($server->publish($rate, 1, BODY, $piece))[0];
        my $seconds = time - $began;

        return ($sent * $server->{clients} / $server->{rooms}, $seconds)
            if $condition->();
        die "$what\n" if $seconds > $limit;
    }
}


# How many of the messages the server has counted as dropped since the totals
# of before; dies unless that is what is missing.
sub count_losses {
    my ($server, $before, $offered, $stats) = @_;

    my $since = $server->since($before);
    my $missing = $offered - $stats->{messages};
    my $counted = sum(0, map { $since->{$_} } grep { /^drop_/ } keys %$since);
    my @reasons = map { "$_ $since->{$_}" }
        grep { $since->{$_} } sort keys %$since;

    die "$server->{kind}: $missing messages are missing, $counted of them are "
        . "counted, $stats->{doubled} came again; the server says: @reasons\n"
        if $missing != $counted || $stats->{doubled};

    return $counted;
}


# The highest rate of deliveries that it keeps up with.
sub sustained {
    my ($server) = @_;

    my $per_message = $server->{clients} / $server->{rooms};
    my $most = run($server, 60e6 / $per_message, 100, 0.7)->{rate};

    for (my $rate = $most; $rate > $most / 8; $rate *= 0.92) {
        my $run = run_rate($server, $rate, 1.5);
        return ($rate, $run) if $run->{kept_up};
    }

    die "$server->{kind} keeps up with no rate\n";
}


# Deliveries a second, in publications of about one in a millisecond.
sub run_rate {
    my ($server, $rate, $seconds) = @_;

    my $messages = $rate * $server->{rooms} / $server->{clients};

    return run($server, $messages, max(1, int($messages / 1000)), $seconds);
}


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return $sorted[@sorted / 2];
}


# Pairs of module and floor, one after the other.  $measure->($server) gives a
# hash; the medians of all its numbers, and of the ratios of $key.
sub pairs {
    my ($key, $measure, %opt) = @_;

    my %all;

    for (1 .. $repeats) {
        my %pair;

        for my $kind (qw(floor module)) {
            my $server = Bench::Server->start(%opt, kind => $kind);
            $pair{$kind} = $measure->($server, $pair{floor});
            $server->stop;

            push @{$all{$kind}{$_}}, $pair{$kind}{$_}
                for keys %{$pair{$kind}};
        }

        push @{$all{ratio}}, $pair{module}{$key} / $pair{floor}{$key};
        push @{$all{p99_ratio}},
            $pair{module}{p99_us} / ($pair{floor}{p99_us} || 1);
    }

    return {
        ratio => median(@{$all{ratio}}),
        p99_ratio => median(@{$all{p99_ratio}}),
        ratios => $all{ratio},
        map { my $kind = $_;
              $kind => { map { $_ => median(@{$all{$kind}{$_}}) }
                         keys %{$all{$kind}} } } qw(module floor)
    };
}


# As it stands in bench.json; the runs' other numbers are beside it.
sub cell {
    my ($name, $unit, $key, $got) = @_;

    return { name => $name, unit => $unit, value => $got->{module}{$key},
             floor => $got->{floor}{$key}, ratio => $got->{ratio},
             ratios => $got->{ratios}, p99_ratio => $got->{p99_ratio},
             module_run => $got->{module}, floor_run => $got->{floor} };
}


# CPU per delivery with so many messages a second, one at a time.
sub cpu_cell {
    my ($name, $rate, $seconds, %opt) = @_;

    my $got = pairs('cpu_us', sub { run($_[0], $rate, 1, $seconds) }, %opt);

    return cell($name, 'us of CPU per delivery', 'cpu_us', $got);
}


# What each of several runs gives, as medians; no floor.  A run that gives
# nothing could not be done here, nor can the cell.
sub alone {
    my ($name, $unit, $key, $measure) = @_;

    my %all;

    for (1 .. ($repeats + 2) / 3) {
        my $got = $measure->() or return;
        push @{$all{$_}}, $got->{$_} for keys %$got;
    }

    return { name => $name, unit => $unit, value => median(@{$all{$key}}),
             values => $all{$key},
             module_run => { map { $_ => median(@{$all{$_}}) } keys %all } };
}


1;
