#!/usr/bin/perl
# Measures the module beside the floor (bench_floor), both fed by the same
# channel, one after the other in one run: a worker alone on the first core,
# load and publisher on the second.  Prints a table and writes
# build/bench.json; docs/performance.md tells how to read it.
#
#     bench/run.pl [--long] [CELL ...]
#
# Without --long, those cells are left out that take long or many clients,
# unless they are named.
#
# Environment: GOIM_BENCH_OUT, another file than build/bench.json.
#
# A cell's number is a median: of GOIM_BENCH_REPEATS (3) pairs of module and
# floor, or, where there is no floor, of a third as many runs.  Fails if a
# message was lost and not counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../t/lib";

use JSON::PP;

use Bench::Connections qw(
    memory_cell memory_after_cell connects_cell heartbeats_cell storm_cell);
use Bench::Fanout qw(
    saturated_cell latency_cell workers_cell idle_cell tls_alone_cell
    tls_saturated_cell http_cell deaf_cell kafka_cell);
use Bench::Measure qw(cpu_cell BODY);
use Bench::Reload qw(reload_cell);
use Test::Goim::Util qw(slurp spew);

my $out = $ENV{GOIM_BENCH_OUT} || "$FindBin::Bin/../build/bench.json";
$| = 1;

my @short = (
    ['alone-1000', sub {
        cpu_cell($_[0], 40, 3, clients => 1000, rooms => 1) }],
    ['alone-10000', sub {
        cpu_cell($_[0], 4, 4, clients => 10000, rooms => 1) }],
    ['latency-10000', sub {
        latency_cell($_[0], 100, 3, clients => 10000, rooms => 1) }],
    ['saturated-1000', sub {
        saturated_cell($_[0], clients => 1000, rooms => 1) }],
    ['saturated-10000', sub {
        saturated_cell($_[0], clients => 10000, rooms => 1) }],
    ['rooms-1000x10', sub {
        cpu_cell($_[0], 1000, 4, clients => 10000, rooms => 1000) }],
    ['workers-2', sub { workers_cell($_[0], 2) }],
    ['workers-4', sub { workers_cell($_[0], 4) }],
    ['idle-15000', sub { idle_cell($_[0]) }],
    ['http-beside', sub { http_cell($_[0]) }],
    ['deaf-1-in-10', sub { deaf_cell($_[0]) }],
    ['kafka-10000', sub { kafka_cell($_[0], 'mock') }],
    ['heartbeats-15000', sub { heartbeats_cell($_[0], 15000) }],
    ['memory-10000', sub { memory_cell($_[0], 10000) }],
    ['memory-tcp-10000', sub { memory_cell($_[0], 10000, 'tcp') }],
    ['memory-after-10000', sub { memory_after_cell($_[0], 10000) }],
    ['connects', sub { connects_cell($_[0], 10000) }],
    ['tls-alone-10000', sub { tls_alone_cell($_[0]) }],
);

my @long = (
    # rooms of the same size, and as many deliveries from all together
    ['rooms-100x3', sub {
        cpu_cell($_[0], 3000, 4, clients => 300, rooms => 100) }],
    ['rooms-1000x3', sub {
        cpu_cell($_[0], 3000, 4, clients => 3000, rooms => 1000) }],
    ['rooms-5000x3', sub {
        cpu_cell($_[0], 3000, 4, clients => 15000, rooms => 5000) }],
    ['kafka-real-10000', sub { kafka_cell($_[0], 'real') }],
    ['tls-saturated-10000', sub { tls_saturated_cell($_[0]) }],
    ['tls-connects', sub {
        connects_cell($_[0], 10000, transport => 'wss') }],
    ['tls-connects-resumed', sub {
        connects_cell($_[0], 10000, transport => 'wss',
                      env => { GOIM_LOAD_RESUME => 1 }) }],
    ['tls-memory-10000', sub { memory_cell($_[0], 10000, 'wss') }],
    ['memory-100000', sub { memory_cell($_[0], 100000) }],
    ['memory-tcp-100000', sub { memory_cell($_[0], 100000, 'tcp') }],
    ['memory-after-100000', sub { memory_after_cell($_[0], 100000) }],
    ['storm-100000', sub { storm_cell($_[0], 100000) }],
    ['storm-auth-100000', sub { storm_cell($_[0], 100000, auth => 1) }],
    # 25,000 deliveries a second
    ['reload-10000', sub {
        reload_cell($_[0], 10000, rooms => 1000, rate => 2500, reloads => 5,
                    workers => [2, 4]) }],
    ['reload-room-16000', sub {
        reload_cell($_[0], 16000, rooms => 1, rate => 5, reloads => 5,
                    workers => [2, 3]) }],
    ['reload-112000', sub {
        reload_cell($_[0], 112000, rooms => 1000, rate => 250,
                    reloads => 5) }],
);


sub machine {
    my $cpus = slurp('/proc/cpuinfo');
    my ($model) = $cpus =~ /^model name\s*:\s*(.*)/m;
    my $cores = () = $cpus =~ /^processor/mg;
    chomp(my $kernel = `uname -r`);

    return { model => $model || 'unknown', cores => $cores,
             kernel => $kernel };
}


sub short { return sprintf($_[0] < 1000 ? '%.4g' : '%.0f', $_[0]) }


sub show {
    my ($got) = @_;

    if (!exists $got->{ratio}) {
        my %other = %{$got->{module_run}};
        delete $other{(grep { $other{$_} == $got->{value} } keys %other)[0]};

        printf("%-20s %-36s %10.4g  %s\n", @$got{qw(name unit value)},
               join(', ', map { "$_ " . short($other{$_}) }
                          sort keys %other));
        return;
    }

    printf("%-20s %-36s %10.4g %10.4g %6.2f  %s; %.1f/%.1f; %d, %d\n",
           @$got{qw(name unit value floor ratio)},
           join(' ', map { sprintf('%.2f', $_) } @{$got->{ratios}}),
           $got->{module_run}{p99_us} / 1000, $got->{floor_run}{p99_us} / 1000,
           @{$got->{module_run}}{qw(offered received)});
}


my ($with_long) = grep { $_ eq '--long' } @ARGV;
my %wanted = map { $_ => 1 } grep { $_ ne '--long' } @ARGV;
my @cells = %wanted ? grep { $wanted{$_->[0]} } @short, @long
                    : (@short, $with_long ? @long : ());
my @done;

die "some of these cells are unknown\n" if %wanted && @cells != keys %wanted;

printf("%-20s %-36s %10s %10s %6s  %s\n", qw(cell unit module floor ratio),
       'all ratios; p99 module/floor in ms; offered, received');

for my $cell (@cells) {
    my $got = $cell->[1]->($cell->[0]);

    if (!$got) {
        printf("%-20s can't be measured here\n", $cell->[0]);
        next;
    }

    push @done, $got;
    show($got);
}

spew($out, JSON::PP->new->canonical->pretty->encode(
    { machine => machine(), body => BODY,
      repeats => $Bench::Measure::repeats, cells => \@done }));
