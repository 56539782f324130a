#!/usr/bin/perl
# Measures the module beside the floor (bench_floor), both fed by the same
# channel, one after the other in one run: a worker alone on the first core,
# load and publisher on the second.  Prints a table and writes
# build/bench.json; docs/performance.md tells how to read it.
#
#     bench/run.pl [CELL ...]
#
# A cell's number is a median of GOIM_BENCH_REPEATS (3) pairs.  Fails if a
# message was lost and not counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP;
use List::Util qw(max min sum);
use Time::HiRes qw(sleep time);

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Nginx;
use Test::Goim::Process;
use Test::Goim::Util qw(reserve_ports spew);

my $top = abs_path("$FindBin::Bin/..");
my $tools = "$top/build/t";
my $repeats = $ENV{GOIM_BENCH_REPEATS} || 3;
my $body = 100;
my $channel_size = 64 * 1024 * 1024;
my $json = JSON::PP->new->canonical;
my @folders;

END { remove_tree(@folders) if @folders }
$SIG{$_} = sub { exit(1) } for qw(INT TERM HUP);


# --- what is measured: a server with clients and a publisher

# kind => 'module' or 'floor', clients => 10000, rooms => 1
sub start {
    my (%opt) = @_;

    my $dir = tempdir('goim-bench-XXXXXXXX', DIR => '/dev/shm');
    push @folders, $dir;
    chmod(0755, $dir);

    my $self = { %opt, dir => $dir, channel => "$dir/channel" };

    $opt{kind} eq 'module' ? start_module($self) : start_floor($self);

    $self->{load} = tool($self, 'load', 1, "$tools/goim_load",
                         "127.0.0.1:$self->{port}", '/sub?room=live://%d',
                         $opt{clients}, '-', $opt{rooms});
    my $stats = $json->decode($self->{load}->answer(qr/^\{/, 120));
    die `tail -5 $dir/error.log`, "$opt{kind}: only $stats->{ready} of $opt{clients} clients are ready\n"
        if $stats->{ready} != $opt{clients};

    return $self;
}


sub tool {
    my ($self, $name, $cpu, @argv) = @_;

    return Test::Goim::Process->new(
        name => $name, dir => $self->{dir}, pipe => 1,
        out => "$self->{dir}/$name.err",
        argv => ['/usr/bin/taskset', '-c', $cpu, @argv]);
}


sub start_publisher {
    my ($self) = @_;

    $self->{publisher} = tool($self, 'publish', 1, "$tools/bench_publish",
                              $self->{channel}, $channel_size);
    my ($generation) = $self->{publisher}->answer(qr/^ready/) =~ /(\d+)/;

    return $generation;
}


sub start_module {
    my ($self) = @_;

    my $nginx = $self->{nginx} = Test::Goim::Nginx->new(
        dir => $self->{dir}, channel_path => $self->{channel},
        binary => $ENV{GOIM_NGINX} || '/usr/sbin/nginx',
        module_path => $ENV{GOIM_MODULE}
            || "$top/build/ngx_http_goim_module.so",
        conf => { workers => 1, channel => "size=$channel_size",
                  connections => int($self->{clients} * 1.1) + 200, log_level => 'warn',
                  main => 'worker_cpu_affinity 01;', http => <<'HTTP',
access_log off;
    goim_room live://* { backlog 256m; }
HTTP
                  location => <<'LOCATION' });
goim_identity key=$connection mid=1 room=$arg_room accepts=1000;
LOCATION

    $nginx->start;
    $self->{port} = $nginx->port;
    ($self->{pid}) = $nginx->worker_pids;
    start_publisher($self);
}


sub start_floor {
    my ($self) = @_;

    my $generation = start_publisher($self);

    $self->{port} = reserve_ports(1);
    $self->{floor} = tool($self, 'floor', 0, "$tools/bench_floor",
                          $self->{port}, $self->{channel}, $generation);
    $self->{floor}->answer(qr/^ready/);
    $self->{pid} = $self->{floor}->pid;
}


sub stop {
    my ($self) = @_;

    $_ && $_->stop('KILL', 5) for @$self{qw(load publisher floor)};
    $self->{nginx}->stop if $self->{nginx};
    remove_tree($self->{dir});
}


# ns that the server's one thread has run.
sub cpu_ns {
    my ($self) = @_;

    open(my $fh, '<', "/proc/$self->{pid}/schedstat") or die "schedstat: $!\n";

    return (split(/ /, scalar <$fh>))[0];
}


sub stats {
    my ($self) = @_;

    $self->{load}->say('stats');

    return $json->decode($self->{load}->answer(qr/^\{/, 120));
}


# What the server says that it has not delivered.
sub dropped {
    my ($self) = @_;

    return 0 if !$self->{nginx};

    my $total = $json->decode($self->{nginx}->get('/goim/status')->{body})
        ->{total};

    return sum(map { $total->{$_} } grep { /^drop_/ } keys %$total);
}


# One run: rate messages a second altogether for so many seconds, burst at a
# time.  What came of it; dies if a message is missing that nobody counted.
sub run {
    my ($self, $rate, $burst, $seconds) = @_;

    my $per_message = $self->{clients} / $self->{rooms};

    $self->{load}->say('reset');
    my $dropped = dropped($self);
    my $cpu = cpu_ns($self);
    my $began = time;

    $self->{publisher}->say("run $self->{rooms} $rate $burst $body $seconds");
    my ($sent, $late) = $self->{publisher}->answer(qr/^done/, 120)
        =~ /(\d+) (\d+)/;

    my $offered = $sent * $per_message;
    my ($stats, $last, $ended) = (stats($self), -1, time);

    while ($stats->{messages} < $offered && time - $ended < 5) {
        $ended = time if $stats->{messages} != $last;
        $last = $stats->{messages};
        sleep(0.005);
        $stats = stats($self);
    }

    my $took = time - $began;
    $cpu = cpu_ns($self) - $cpu;

    my $missing = $offered - $stats->{messages};
    my $counted = dropped($self) - $dropped;

    die "$self->{kind}: $missing messages are missing, $counted of them are "
        . "counted\n" if $missing != $counted || $stats->{doubled};

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


# The highest rate of deliveries that it keeps up with.
sub sustained {
    my ($self) = @_;

    my $per_message = $self->{clients} / $self->{rooms};
    my $most = run($self, 60e6 / $per_message, 100, 0.7)->{rate};

    for (my $rate = $most; $rate > $most / 8; $rate *= 0.92) {
        my $run = run_rate($self, $rate, 1.5);
        return ($rate, $run) if $run->{kept_up};
    }

    die "$self->{kind} keeps up with no rate\n";
}


# Deliveries a second, in publications of about one in a millisecond.
sub run_rate {
    my ($self, $rate, $seconds) = @_;

    my $messages = $rate * $self->{rooms} / $self->{clients};

    return run($self, $messages, max(1, int($messages / 1000)), $seconds);
}


# --- cells

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
            my $server = start(%opt, kind => $kind);
            $pair{$kind} = $measure->($server, $pair{floor});
            stop($server);

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


sub cpu_cell {
    my ($name, $rate, $seconds, %opt) = @_;

    my $got = pairs('cpu_us', sub { run($_[0], $rate, 1, $seconds) }, %opt);

    return cell($name, 'us of CPU per delivery', 'cpu_us', $got);
}


# The module at the rate that the floor keeps up with, and at three quarters.
sub saturated_cell {
    my ($name, %opt) = @_;

    my $got = pairs('rate', sub {
        my ($server, $floor) = @_;

        my ($rate, $run) = sustained($server);
        my $quarters = run_rate($server, 0.75 * ($floor ? $floor->{rate}
                                                        : $rate), 2);

        return { %$run, rate => $rate, p99_us => $quarters->{p99_us},
                 kept_up_075 => $quarters->{kept_up} ? 1 : 0,
                 p50_us => $quarters->{p50_us},
                 max_us => $quarters->{max_us} };
    }, %opt);

    return cell($name, 'deliveries/s, sustained', 'rate', $got);
}


sub latency_cell {
    my ($name, $rate, $seconds, %opt) = @_;

    my $got = pairs('p99_us', sub { run($_[0], $rate, 1, $seconds) }, %opt);

    return cell($name, 'us, p99 from channel to client', 'p99_us', $got);
}


my @cells = (
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
);


sub machine {
    my ($model) = map { /^model name\s*:\s*(.*)/ ? $1 : () }
        split(/\n/, do { local @ARGV = '/proc/cpuinfo'; local $/; <> });
    my $cores = () = do { local @ARGV = '/proc/cpuinfo'; local $/; <> }
        =~ /^processor/mg;
    chomp(my $kernel = `uname -r`);

    return { model => $model || 'unknown', cores => $cores,
             kernel => $kernel };
}


my %wanted = map { $_ => 1 } @ARGV;
my @done;

printf("%-16s %-32s %12s %12s %7s  %s\n", qw(cell unit module floor ratio),
       'all ratios; p99 module/floor in ms; offered, received');

for my $cell (grep { !%wanted || $wanted{$_->[0]} } @cells) {
    my $got = $cell->[1]->($cell->[0]);

    printf("%-16s %-32s %12.4g %12.4g %7.2f  %s; %.1f/%.1f; %d, %d\n",
           @$got{qw(name unit value floor ratio)},
           join(' ', map { sprintf('%.2f', $_) } @{$got->{ratios}}),
           $got->{module_run}{p99_us} / 1000, $got->{floor_run}{p99_us} / 1000,
           @{$got->{module_run}}{qw(offered received)});
    push @done, $got;
}

spew("$top/build/bench.json", JSON::PP->new->canonical->pretty->encode(
    { machine => machine(), body => $body, repeats => $repeats,
      cells => \@done }));
