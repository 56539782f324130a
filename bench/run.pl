#!/usr/bin/perl
# Measures the module beside the floor (bench_floor), both fed by the same
# channel, one after the other in one run: a worker alone on the first core,
# load and publisher on the second.  Prints a table and writes
# build/bench.json; docs/performance.md tells how to read it.
#
#     bench/run.pl [CELL ...]
#
# Environment: GOIM_BENCH_OUT, another file than build/bench.json.
#
# A cell's number is a median: of GOIM_BENCH_REPEATS (3) pairs of module and
# floor, or, where there is no floor, of a third as many runs.  Fails if a
# message was lost and not counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP;
use List::Util qw(max sum);
use POSIX ();
use Time::HiRes qw(sleep time);

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Nginx;
use Test::Goim::Process;
use Test::Goim::Util qw(reserve_ports slurp spew);

my $top = abs_path("$FindBin::Bin/..");
my $tools = "$top/build/t";
our $repeats = $ENV{GOIM_BENCH_REPEATS} || 3;
my $out = $ENV{GOIM_BENCH_OUT} || "$top/build/bench.json";
my $body = 100;
my $channel_size = 64 * 1024 * 1024;
my $json = JSON::PP->new->canonical;
my @running;

# of the load; the server has the first
my $second = (() = slurp('/proc/cpuinfo') =~ /^processor/mg) > 1 ? 1 : 0;

END {
    my $code = $?;
    stop($_) for @running;
    $? = $code;
}
$SIG{$_} = sub { exit(1) } for qw(INT TERM HUP);


# --- what is measured: a server with clients and a publisher

# kind => 'module' or 'floor', clients => 10000, rooms => 1, workers => 1,
# backlog => '256m' of the rooms, listen => options of nginx's listen
sub start {
    my (%opt) = @_;

    my $dir = tempdir('goim-bench-XXXXXXXX', DIR => '/dev/shm');
    chmod(0755, $dir);

    my $self = { %opt, dir => $dir, channel => "$dir/channel" };
    push @running, $self;

    $opt{kind} eq 'module' ? start_module($self) : start_floor($self);

    $self->{empty_kb} = pss_kb($self);
    my $began = time;
    $self->{load} = tool($self, 'load', $second, "$tools/goim_load",
                         "127.0.0.1:$self->{port}", '/sub?room=live://%d',
                         $opt{clients}, '-', $opt{rooms});
    my $stats = $json->decode($self->{load}->answer(qr/^\{/, 120));
    die "$opt{kind}: only $stats->{ready} of $opt{clients} clients are "
        . "ready\n", slurp("$dir/error.log")
        if $stats->{ready} != $opt{clients};
    $self->{connects} = $opt{clients} / (time - $began);

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

    $self->{publisher} = tool($self, 'publish', $second, "$tools/bench_publish",
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
        conf => { workers => $self->{workers} || 1,
                  channel => "size=$channel_size",
                  connections => int($self->{clients} * 1.1) + 200,
                  log_level => 'warn',
                  main => 'worker_cpu_affinity 01;',
                  http => 'access_log off; goim_room live://* { backlog '
                      . ($self->{backlog} || '256m') . '; }',
                  listen => $self->{listen} || '',
                  server => "location = /plain { return 200 'plain'; }",
                  location => 'goim_identity key=$connection mid=1'
                      . ' room=$arg_room accepts=1000;' });

    $nginx->start;
    $self->{port} = $nginx->port;
    $self->{pids} = [$nginx->worker_pids];
    start_publisher($self);
}


sub start_floor {
    my ($self) = @_;

    my $generation = start_publisher($self);

    $self->{port} = reserve_ports(1);
    $self->{floor} = tool($self, 'floor', 0, "$tools/bench_floor",
                          $self->{port}, $self->{channel}, $generation);
    $self->{floor}->answer(qr/^ready/);
    $self->{pids} = [$self->{floor}->pid];
}


sub stop {
    my ($self) = @_;

    $_ && $_->stop('KILL', 5) for @$self{qw(load publisher floor job mock)};
    $self->{nginx}->stop if $self->{nginx} && $self->{nginx}->alive;
    remove_tree($self->{dir});
    @running = grep { $_ != $self } @running;
}


# ns that the server's processes have run; each has one thread.
sub cpu_ns {
    my ($self) = @_;

    return sum(map { (split(/ /, slurp("/proc/$_/schedstat")))[0] }
               @{$self->{pids}});
}


# Memory of the server's processes, shared pages by their share, without what
# the channel takes.
sub pss_kb {
    my ($self) = @_;

    return sum(map { slurp("/proc/$_/smaps_rollup")
                     =~ /^Pss_Anon:\s+(\d+)/m ? $1 : 0 } @{$self->{pids}});
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


# --- cells of the module alone

# What each of several runs gives, as medians; no floor.
sub alone {
    my ($name, $unit, $key, $measure) = @_;

    my %all;

    for (1 .. ($repeats + 2) / 3) {
        my $got = $measure->();
        push @{$all{$_}}, $got->{$_} for keys %$got;
    }

    return { name => $name, unit => $unit, value => median(@{$all{$key}}),
             values => $all{$key},
             module_run => { map { $_ => median(@{$all{$_}}) } keys %all } };
}


# Bytes of a worker for each idle connection; rooms of ten, key and mid set.
sub memory_cell {
    my ($name, $clients) = @_;

    return alone($name, 'bytes of a worker, per idle client', 'bytes', sub {
        my $server = start(kind => 'module', clients => $clients,
                           rooms => $clients / 10);
        my %got = (bytes => (pss_kb($server) - $server->{empty_kb}) * 1024
                            / $clients,
                   connects => $server->{connects});
        stop($server);

        return \%got;
    });
}


sub connects_cell {
    my ($name, $clients) = @_;

    return alone($name, 'connects/s, one worker', 'connects', sub {
        my $server = start(kind => 'module', clients => $clients,
                           rooms => 1);
        my %got = (connects => $server->{connects});
        stop($server);

        return \%got;
    });
}


# Several workers, all on the first core: what one more costs.
sub workers_cell {
    my ($name, $workers) = @_;

    return alone($name, 'us of CPU per delivery', 'cpu_us', sub {
        my $server = start(kind => 'module', clients => 10000, rooms => 1,
                           workers => $workers);
        my $got = run($server, 4, 1, 4);
        stop($server);

        return $got;
    });
}


# Share of a core that heartbeats take, one in 9 seconds of each client.
sub heartbeats_cell {
    my ($name, $clients) = @_;

    local $repeats = ($repeats + 2) / 3;

    my $got = pairs('percent', sub {
        my ($server) = @_;

        $server->{load}->say('beat 9000');
        sleep(1);

        my ($cpu, $began) = (cpu_ns($server), time);
        sleep(6);

        return { percent => (cpu_ns($server) - $cpu) / (time - $began) / 1e7,
                 p99_us => 0, offered => 0, received => 0 };
    }, clients => $clients, rooms => $clients / 10);

    return cell($name, '% of a core', 'percent', $got);
}


# p50 and p99 in ms of plain requests on one kept connection, asked for
# meanwhile by a process of its own.
sub http_during {
    my ($server, $seconds, $meanwhile) = @_;

    pipe(my $in, my $out) or die "pipe: $!\n";
    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {

        # it must not wait for the load on its core
        system("taskset -cp $second $$ >/dev/null; chrt -f -p 10 $$ 2>/dev/null");
        print $out join(' ', http_latencies($server->{port}, $seconds));
        close($out);
        POSIX::_exit(0);
    }

    close($out);
    $meanwhile->();
    my @ms = split(/ /, <$in>);
    waitpid($pid, 0);

    @ms = sort { $a <=> $b } @ms;
    return ($ms[@ms / 2], $ms[@ms * 0.99]);
}


sub http_latencies {
    my ($port, $seconds) = @_;

    my $socket = IO::Socket::INET->new(
        Proto => 'tcp', PeerAddr => '127.0.0.1', PeerPort => $port)
        or die "connect: $!\n";
    my $end = time + $seconds;
    my @ms;

    while ((my $began = time) < $end) {
        syswrite($socket, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n");
        sysread($socket, my $answer, 4096) or last;
        push @ms, (time - $began) * 1000;
        sleep(0.005);
    }

    return @ms;
}


# How much longer plain requests take while the worker delivers at 70 % CPU.
sub http_cell {
    my ($name) = @_;

    return alone($name, 'ms more at p99 than idle', 'more_ms', sub {
        my $server = start(kind => 'module', clients => 10000, rooms => 1);
        my $rate = 100000;
        my $run = run_rate($server, $rate, 2);
        my ($idle_p50, $idle_p99) = http_during($server, 2, sub { sleep(2) });

        # one message at a time, so many that they take 70 %
        $rate *= 0.7 / $run->{load};
        my ($p50, $p99) = http_during($server, 3, sub {
            $run = run($server, $rate / 10000, 1, 3);
        });
        stop($server);

        return { more_ms => $p99 - $idle_p99, p50_ms => $p50, p99_ms => $p99,
                 idle_p50_ms => $idle_p50, idle_p99_ms => $idle_p99,
                 load => $run->{load} };
    });
}


# One client in ten does not read: what the others get, beside the same rate
# with all of them reading.  Buffers are small, and full before it counts.
sub deaf_cell {
    my ($name) = @_;

    local $ENV{GOIM_LOAD_RCVBUF} = 65536;

    return alone($name, 'times the rate with all reading', 'share', sub {
        my %rate;

        for my $deaf (0, 1) {
            my $server = start(kind => 'module', clients => 10000, rooms => 1,
                               backlog => '256k', listen => 'sndbuf=65536');

            $server->{load}->say('pause 10') if $deaf;
            rate_of_readers($server, 1, $deaf ? 9000 : 10000);
            $rate{$deaf} = rate_of_readers($server, 3,
                                           $deaf ? 9000 : 10000);
            stop($server);
        }

        return { share => $rate{1} / $rate{0} };
    });
}


# Messages a second that so many readers have all got.
sub rate_of_readers {
    my ($server, $seconds, $readers) = @_;

    $server->{load}->say('reset');
    my $began = time;
    $server->{publisher}->say("run 1 1500 2 $body $seconds");
    my ($sent) = $server->{publisher}->answer(qr/^done/, 120) =~ /(\d+)/;
    my $stats = stats($server);

    while ($stats->{messages} < $sent * $readers && time - $began < 30) {
        sleep(0.005);
        $stats = stats($server);
    }

    die "those who read have lost messages\n"
        if $stats->{messages} != $sent * $readers || $stats->{lost};

    return $sent / (time - $began);
}


# p50 from Kafka's producer to the clients, less that from the channel.
sub kafka_cell {
    my ($name) = @_;

    return alone($name, 'ms more at p50 than from the channel', 'more_ms',
                 sub {
        my %p50;

        for my $way (qw(channel kafka)) {
            my $server = start(kind => 'module', clients => 10000, rooms => 1);
            start_kafka($server) if $way eq 'kafka';
            $p50{$way} = run($server, 100, 1, 4)->{p50_us} / 1000;
            stop($server);
        }

        return { more_ms => $p50{kafka} - $p50{channel}, %p50 };
    });
}


# The publisher gives way to goim-job, with a mock cluster before it.
sub start_kafka {
    my ($self) = @_;

    $self->{publisher}->stop;
    $self->{mock} = tool($self, 'mock', $second, "$tools/mock_kafka", 1,
                         'goim-push-topic:1');
    my ($brokers) = $self->{mock}->answer(qr/^bootstrap/) =~ / (\S+)/;

    spew("$self->{dir}/job.conf", <<"CONF");
[channel]
path = $self->{channel}
[kafka]
brokers = $brokers
auto.offset.reset = earliest
fetch.wait.max.ms = 10
CONF
    $self->{job} = tool($self, 'job', $second, "$top/build/goim-job", '-c',
                        "$self->{dir}/job.conf");
    $self->{publisher} = tool($self, 'publish', $second, "$tools/bench_publish",
                              '-k', $brokers, 'goim-push-topic');
    $self->{publisher}->answer(qr/^ready/);

    # until goim-job consumes; the clients' numbers begin anew
    $self->{publisher}->say("run $self->{rooms} 10 1 $body 0.5");
    $self->{publisher}->answer(qr/^done/, 60);
    wait_until(60, 'goim-job to consume', sub {
        return stats($self)->{messages} >= 5 * $self->{clients};
    });
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
    ['workers-2', sub { workers_cell($_[0], 2) }],
    ['workers-4', sub { workers_cell($_[0], 4) }],
    ['http-beside', sub { http_cell($_[0]) }],
    ['deaf-1-in-10', sub { deaf_cell($_[0]) }],
    ['kafka-10000', sub { kafka_cell($_[0]) }],
    ['heartbeats-15000', sub { heartbeats_cell($_[0], 15000) }],
    ['memory-10000', sub { memory_cell($_[0], 10000) }],
    ['connects', sub { connects_cell($_[0], 10000) }],
);


sub machine {
    my $cpus = slurp('/proc/cpuinfo');
    my ($model) = $cpus =~ /^model name\s*:\s*(.*)/m;
    my $cores = () = $cpus =~ /^processor/mg;
    chomp(my $kernel = `uname -r`);

    return { model => $model || 'unknown', cores => $cores,
             kernel => $kernel };
}


my %wanted = map { $_ => 1 } @ARGV;
my @done;

printf("%-16s %-36s %10s %10s %6s  %s\n", qw(cell unit module floor ratio),
       'all ratios; p99 module/floor in ms; offered, received');

for my $cell (grep { !%wanted || $wanted{$_->[0]} } @cells) {
    my $got = $cell->[1]->($cell->[0]);

    push @done, $got;

    if (!exists $got->{ratio}) {
        printf("%-16s %-36s %10.4g  %31s\n", @$got{qw(name unit value)},
               join(' ', map { sprintf('%.4g', $_) } @{$got->{values}}));
        next;
    }

    printf("%-16s %-36s %10.4g %10.4g %6.2f  %s; %.1f/%.1f; %d, %d\n",
           @$got{qw(name unit value floor ratio)},
           join(' ', map { sprintf('%.2f', $_) } @{$got->{ratios}}),
           $got->{module_run}{p99_us} / 1000, $got->{floor_run}{p99_us} / 1000,
           @{$got->{module_run}}{qw(offered received)});
}

spew($out, JSON::PP->new->canonical->pretty->encode(
    { machine => machine(), body => $body, repeats => $repeats,
      cells => \@done }));
