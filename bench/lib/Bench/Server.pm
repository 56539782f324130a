# What is measured: the module in nginx or the floor, with a channel, a
# publisher and clients.  The server has the machine's first core, all others
# share the second, unless asked for something else.

package Bench::Server;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP;
use List::Util qw(sum);
use POSIX qw(ceil);

use Bench::Load;
use Test::Goim::Kafka;
use Test::Goim::Loop qw(wait_until);
use Test::Goim::Nginx;
use Test::Goim::Process;
use Test::Goim::Util qw(reserve_ports slurp spew);

my $top = abs_path(dirname(__FILE__) . '/../../..');
my $tools = "$top/build/t";
my $channel_size = 64 * 1024 * 1024;
my $topic = 'goim-push-topic';
my $json = JSON::PP->new;
my $main_pid = $$;
my @running;

my $cores = () = slurp('/proc/cpuinfo') =~ /^processor/mg;
my $second = $cores > 1 ? 1 : 0;

END {
    if ($$ == $main_pid) {
        my $code = $?;
        $_->stop for @running;
        $? = $code;
    }
}
$SIG{$_} = sub { exit(1) } for qw(INT TERM HUP);


# kind => 'module' or 'floor'; clients => 10000, rooms => 1: who is there when
# it returns; workers => as many as the clients need; spread => 1: over all
# cores; transport => 'ws', 'wss' or 'tcp'; auth => 1: by goim-logic;
# backlog => '256m' of the rooms; heartbeat => '1h', of goim_heartbeat; listen =>
# options of nginx's listen; env => { ... } and first => 1, as Bench::Load has
# them; slots => worker_connections.
sub start {
    my ($class, %opt) = @_;

    my $dir = tempdir('goim-bench-XXXXXXXX', DIR => '/dev/shm');
    chmod(0755, $dir);

    my $self = bless {
        rooms => 1, transport => 'ws', backlog => '256m', listen => '',
        heartbeat => '1h',
        workers => ceil(($opt{clients} || 1) / Bench::Load::most()),
        %opt, dir => $dir, channel => "$dir/channel", tools => $tools,
        generators => 0, loads => [],
        second => $opt{spread} ? '0-' . ($cores - 1) : $second,
    }, $class;
    push @running, $self;

    $self->{token} = '{"mid":1,"room_id":"live://%d","accepts":[1000]}'
        if $opt{auth};

    $opt{kind} eq 'module' ? $self->start_module : $self->start_floor;

    $self->{empty_kb} = $self->pss_kb;
    return $self if !$opt{clients};

    my $cpu = $self->cpu_ns;
    $self->{load} = $self->connect(%opt, token => $self->{token});
    $self->{connect_us} = ($self->cpu_ns - $cpu) / 1000 / $opt{clients};

    return $self;
}


# Further clients, or the first.
sub connect {
    my ($self, %opt) = @_;

    my $load = Bench::Load->new(rooms => 1, %opt, server => $self);
    push @{$self->{loads}}, $load;

    return $load;
}


# Ends some of the clients, and waits until the server knows.
sub disconnect {
    my ($self, $load) = @_;

    my $stay = $self->totals->{connections} - $load->{n};

    $load->stop;
    wait_until(60, 'clients to be gone', sub {
        return $self->totals->{connections} <= $stay;
    });
}


# SCHEME://HOST:PORT for goim_load.
sub address {
    my ($self) = @_;

    my $port = $self->{nginx} && $self->{transport} ne 'ws'
        ? $self->{nginx}->extra_port($self->{transport}) : $self->{port};

    return "$self->{transport}://127.0.0.1:$port";
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

    $self->{publisher} = $self->tool('publish', $self->{second},
                                     "$tools/bench_publish", $self->{channel},
                                     $channel_size);
    my ($generation) = $self->{publisher}->answer(qr/^ready/) =~ /(\d+)/;

    return $generation;
}


sub start_floor {
    my ($self) = @_;

    my $generation = $self->start_publisher;

    $self->{port} = reserve_ports(1);
    $self->{floor} = $self->tool('floor', 0, "$tools/bench_floor",
                                 $self->{port}, $self->{channel}, $generation);
    $self->{floor}->answer(qr/^ready/);
    $self->{pids} = [$self->{floor}->pid];
}


# goim_tcp has one location for all its clients: rooms of ten
my $locations = <<'CONF';
location = /sub {
            goim;
            %%identity%%
        }

        location = /tcp {
            goim;
            goim_identity key=$connection mid=1 room=$tens accepts=1000;
        }

        location = /auth {
            internal;
            proxy_pass http://logic/goim/auth;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
        }

        location = /plain { return 200 'plain'; }
        location = /goim/status { goim_status; }
CONF


sub start_module {
    my ($self) = @_;

    my $many = $self->{workers} > 1;
    my $logic = $self->{auth} ? $self->start_logic : 9;
    my $slots = $self->{slots}
        || ($self->{workers} * Bench::Load::most() > $self->{clients} * 1.5
            ? int($self->{clients} * 1.1) + 200
            : Bench::Load::files() - 200);

    make_certificate($self->{dir}) if $self->{transport} eq 'wss';

    $self->{nginx} = Test::Goim::Nginx->new(
        dir => $self->{dir}, channel_path => $self->{channel},
        binary => $ENV{GOIM_NGINX} || '/usr/sbin/nginx',
        module_path => $ENV{GOIM_MODULE}
            || "$top/build/ngx_http_goim_module.so",
        conf => {
            workers => $self->{workers}, connections => $slots,
            channel => "size=$channel_size", log_level => 'warn',
            main => $self->{spread} ? '' : 'worker_cpu_affinity 01;',
            listen => ($many ? 'reuseport backlog=4096 ' : '')
                      . $self->{listen},
            identity => $self->{auth} ? 'goim_auth /auth;'
                : 'goim_identity key=$connection mid=1 room=$arg_room'
                  . ' accepts=1000;',
            http => <<"CONF", locations => $locations,
access_log off;
    goim_heartbeat $self->{heartbeat};
    goim_room live://* { backlog $self->{backlog}; }
    map \$connection \$tens { "~^(?<n>.*).\\\$" live://\$n; }
    upstream logic { server 127.0.0.1:$logic; keepalive 64; }
CONF
            servers => server_of($self->{transport}, $self->{dir}) });

    $self->{nginx}->start;
    $self->{port} = $self->{nginx}->port;
    $self->{pids} = [$self->{nginx}->worker_pids];
    $self->start_publisher;
}


# The server for clients that are not plain WebSocket.
sub server_of {
    my ($transport, $dir) = @_;

    return '' if $transport eq 'ws';

    my $mode = $transport eq 'tcp' ? ';
        goim_tcp /tcp;' : "ssl;
        ssl_certificate $dir/cert.pem;
        ssl_certificate_key $dir/key.pem;";

    return "server {
        listen 127.0.0.1:%%PORT_$transport%% %%listen%% $mode
        %%locations%%
    }";
}


sub make_certificate {
    my ($dir) = @_;

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
           . " -nodes -days 2 -subj /CN=localhost -keyout $dir/key.pem"
           . " -out $dir/cert.pem 2>$dir/openssl.err") == 0
        or die "no certificate is made\n", slurp("$dir/openssl.err");
}


# goim-logic, sessions in its memory; its port.
sub start_logic {
    my ($self) = @_;

    my $port = reserve_ports(1);
    my $brokers = $self->start_kafka('mock');

    spew("$self->{dir}/logic.conf", <<"CONF");
[http]
listen = 127.0.0.1:$port
[kafka]
brokers = $brokers
[session]
store = memory
[auth]
mode = open
CONF
    $self->{logic} = $self->tool('logic', $self->{second},
                                 "$top/build/goim-logic", '-c',
                                 "$self->{dir}/logic.conf");
    wait_until(20, 'goim-logic to listen', sub {
        return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                     PeerPort => $port);
    });

    return $port;
}


# type => 'mock' or 'real'; its brokers' addresses, none if it can't be had.
sub start_kafka {
    my ($self, $type) = @_;

    $self->{kafka} = Test::Goim::Kafka->new(
        type => $type, brokers => 1, topics => { $topic => 1 },
        dir => $self->{dir}, tools => $tools, scripts => "$top/t/tools")
        or return;

    return $self->{kafka}->bootstrap;
}


# From now on messages come through Kafka and goim-job; nothing if there is no
# Kafka.
sub publish_through_kafka {
    my ($self, $type) = @_;

    my $brokers = $self->start_kafka($type) or return;

    $self->{publisher}->stop;

    # the mock cluster sleeps the whole time, whatever comes meanwhile
    my $wait = $type eq 'mock' ? 'fetch.wait.max.ms = 10' : '';

    spew("$self->{dir}/job.conf", <<"CONF");
[channel]
path = $self->{channel}
[kafka]
brokers = $brokers
auto.offset.reset = earliest
$wait
CONF
    $self->{job} = $self->tool('job', $self->{second}, "$top/build/goim-job",
                               '-c', "$self->{dir}/job.conf");
    $self->{publisher} = $self->tool('publish', $self->{second},
                                     "$tools/bench_publish", '-k', $brokers,
                                     $topic);
    $self->{publisher}->answer(qr/^ready/);

    # until goim-job consumes
    $self->{load}->reset;
    $self->publish(10, 1, 100, 0.5);
    wait_until(60, 'goim-job to consume', sub {
        return $self->{load}->stats->{messages} >= 5 * $self->{clients};
    });

    return 1;
}


sub stop {
    my ($self) = @_;

    $_->stop for @{$self->{loads}};
    $_ && $_->stop('KILL', 5) for @$self{qw(publisher floor job logic)};
    $self->{kafka}->stop if $self->{kafka};
    $self->{nginx}->stop if $self->{nginx} && $self->{nginx}->alive;
    remove_tree($self->{dir});
    @running = grep { $_ != $self } @running;
}


# --- what can be asked of it

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


# What nginx tells, decoded.
sub status {
    my ($self) = @_;

    return $json->decode($self->{nginx}->get('/goim/status')->{body});
}


# The totals of all workers' counters; none of the floor.
sub totals {
    my ($self) = @_;

    return $self->{nginx} ? $self->status->{total} : {};
}


# What has been added since the totals of before: messages not delivered, by
# reason, and connections ended.
sub since {
    my ($self, $before) = @_;

    my $now = $self->totals;

    return { map { $_ => $now->{$_} - ($before->{$_} || 0) }
             grep { /^(drop|closed)_/ && ref($now->{$_}) eq '' }
             keys %$now };
}


# Sends messages with so large bodies, burst in one publication.  How many,
# and by how many ms it was late at the end.
sub publish {
    my ($self, $rate, $burst, $size, $seconds) = @_;

    $self->{publisher}->say("run $self->{rooms} $rate $burst $size $seconds");

    return $self->{publisher}->answer(qr/^done/, 600) =~ /(\d+) (\d+)/;
}


1;
