# Cells about what a delivery costs, how many there can be, and how long they
# take.

package Bench::Fanout;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

use Bench::Load;
use Bench::Measure qw(run run_rate sustained pairs cell alone median BODY);
use Bench::Server;

our @EXPORT_OK = qw(
    saturated_cell latency_cell workers_cell idle_cell tls_alone_cell
    tls_saturated_cell http_cell deaf_cell kafka_cell);


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


# Several workers, all on the first core: what one more costs.
sub workers_cell {
    my ($name, $workers) = @_;

    return alone($name, 'us of CPU per delivery', 'cpu_us', sub {
        my $server = Bench::Server->start(kind => 'module', clients => 10000, rooms => 1,
                           workers => $workers);
        my $got = run($server, 4, 1, 4);
        $server->stop;

        return $got;
    });
}


# Rooms of others with 15,000 idle members beside a room of 1,000: how many
# times the CPU per delivery that is there without them.
sub idle_cell {
    my ($name) = @_;

    return alone($name, 'times the CPU without others', 'times', sub {
        my $server = Bench::Server->start(
            kind => 'module', clients => 1000,
            slots => Bench::Load::files() - 200);
        my (@times, %us);

        for (1 .. 3) {
            $us{0} = run($server, 40, 1, 1.5)->{cpu_us};
            my $idle = $server->connect(clients => 15000, rooms => 1500,
                                        type => 'idle');
            $us{1} = run($server, 40, 1, 1.5)->{cpu_us};
            $server->disconnect($idle);
            push @times, $us{1} / $us{0};
        }

        $server->stop;

        return { times => median(@times), cpu_us => $us{1} };
    });
}


# The floor has no TLS.
sub tls_alone_cell {
    my ($name) = @_;

    return alone($name, 'us of CPU per delivery', 'cpu_us', sub {
        my $server = Bench::Server->start(kind => 'module', clients => 10000,
                                          transport => 'wss');
        my $got = run($server, 4, 1, 4);
        $server->stop;

        return { map { $_ => $got->{$_} } qw(cpu_us p50_us p99_us) };
    });
}


sub tls_saturated_cell {
    my ($name) = @_;

    return alone($name, 'deliveries/s, sustained', 'rate', sub {
        my $server = Bench::Server->start(kind => 'module', clients => 10000,
                                          transport => 'wss');
        my ($rate, $run) = sustained($server);
        $server->stop;

        return { rate => $rate, load => $run->{load},
                 p99_us => $run->{p99_us} };
    });
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
        system("taskset -cp $server->{second} $$ >/dev/null; chrt -f -p 10 $$ 2>/dev/null");
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
        my $server = Bench::Server->start(kind => 'module', clients => 10000, rooms => 1);
        my $rate = 100000;
        my $run = run_rate($server, $rate, 2);
        my ($idle_p50, $idle_p99) = http_during($server, 2, sub { sleep(2) });

        # one message at a time, so many that they take 70 %
        $rate *= 0.7 / $run->{load};
        my ($p50, $p99) = http_during($server, 3, sub {
            $run = run($server, $rate / 10000, 1, 3);
        });
        $server->stop;

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
            my $server = Bench::Server->start(kind => 'module', clients => 10000, rooms => 1,
                               backlog => '256k', listen => 'sndbuf=65536');

            $server->{load}->say('pause 10') if $deaf;
            rate_of_readers($server, 1, $deaf ? 9000 : 10000);
            $rate{$deaf} = rate_of_readers($server, 3,
                                           $deaf ? 9000 : 10000);
            $server->stop;
        }

        return { share => $rate{1} / $rate{0} };
    });
}


# Messages a second that so many readers have all got.
sub rate_of_readers {
    my ($server, $seconds, $readers) = @_;

    $server->{load}->reset;
    my $began = time;
    my ($sent) = $server->publish(1500, 2, BODY, $seconds);
    my $stats = $server->{load}->stats;

    while ($stats->{messages} < $sent * $readers && time - $began < 30) {
        sleep(0.005);
        $stats = $server->{load}->stats;
    }

    die "those who read have lost messages\n"
        if $stats->{messages} != $sent * $readers || $stats->{lost};

    return $sent / (time - $began);
}


# p50 from Kafka's producer to the clients, less that from the channel; type is
# Test::Goim::Kafka's.
sub kafka_cell {
    my ($name, $type) = @_;

    return alone($name, 'ms more at p50 than from the channel', 'more_ms',
                 sub {
        my %p50;

        for my $way (qw(channel kafka)) {
            my $server = Bench::Server->start(kind => 'module',
                                              clients => 10000);
            my $there = $way eq 'channel'
                || $server->publish_through_kafka($type);
            $p50{$way} = p50_ms($server) if $there;
            $server->stop;
            return if !$there;
        }

        return { more_ms => $p50{kafka} - $p50{channel}, %p50 };
    });
}


# Of 100 messages a second; a Java program takes seconds to compile itself.
sub p50_ms {
    my ($server) = @_;

    run($server, 100, 1, 10)
        if $server->{kafka} && $server->{kafka}{type} eq 'real';

    return run($server, 100, 1, 4)->{p50_us} / 1000;
}


1;
