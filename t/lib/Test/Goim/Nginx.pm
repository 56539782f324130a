# One nginx, in the foreground unless daemon => 'on' as its upgrade needs it:
# its configuration, its master and workers.

package Test::Goim::Nginx;

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::INET;

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Process;
use Test::Goim::Util qw(slurp spew reserve_ports free_udp http_request);

# The text between the marks comes from options of the same name, which may
# themselves contain the marks in capitals.
my $template = <<'CONF';
daemon %%daemon%%;
master_process on;
worker_processes %%workers%%;
%%USER%%
pid %%DIR%%/nginx.pid;
lock_file %%DIR%%/nginx.lock;
error_log %%DIR%%/error.log %%log_level%%;
env ASAN_OPTIONS;
env UBSAN_OPTIONS;
env GOIM_TEST_DIR;
%%modules%%
%%LOAD_MODULE%%
%%main%%

events {
    worker_connections %%connections%%;
    %%events%%
}

http {
    access_log %%DIR%%/access.log;
    client_body_temp_path %%DIR%%/temp;
    proxy_temp_path %%DIR%%/temp;
    fastcgi_temp_path %%DIR%%/temp;
    uwsgi_temp_path %%DIR%%/temp;
    scgi_temp_path %%DIR%%/temp;
    default_type text/plain;

    %%goim_http%%
    %%http%%

    server {
        listen 127.0.0.1:%%PORT%% %%listen%%;
        server_name localhost;

        %%server%%
        %%locations%%
    }

    %%servers%%
}
CONF

# What stands in the template where the test says nothing.
my %defaults = (
    daemon => 'off', workers => 2, log_level => 'info', main => '',
    modules => '',
    connections => 2048,
    events => '', http => '', listen => '', server => '', servers => '',
    location => '', channel => 'size=1m', server_id => 'comet-1',
    module => 1, goim_http => <<'HTTP', locations => <<'LOCATIONS');
goim_channel %%CHANNEL%% %%channel%%;
    goim_server_id %%server_id%%;
    goim_handshake_timeout 60s;
    %%logic_http%%
HTTP
location /sub {
            goim;
            goim_auth /auth;
            %%logic_sub%%
            %%location%%
        }

        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:%%AUTH%%;
        }

        %%logic_locations%%

        location = /goim/status {
            goim_status;
        }
LOCATIONS


# A server for goim's TCP clients, in place of %%TCP_SERVER%%.
my $tcp_server = <<'SERVER';
server {
        listen 127.0.0.1:%%PORT_tcp%%;
        goim_tcp /sub;
        %%locations%%
    }
SERVER


# What is added for goim-logic.
my %logic = (
    logic_http => 'goim_session /session interval=100ms;',
    logic_sub => 'goim_publish /publish;',
    logic_locations => <<'LOCATIONS');
location = /publish {
            internal;
            proxy_pass http://127.0.0.1:%%LOGIC%%/goim/publish;
        }

        location = /session {
            internal;
            access_log off;
            proxy_pass http://127.0.0.1:%%LOGIC%%/goim/session;
        }
LOCATIONS


# dir, channel_path, auth_port or logic_port, binary, module_path; conf => the options of
# the configuration.  module => 0: no goim in it, only "location".
sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        dir => $opt{dir}, binary => $opt{binary},
        module_path => $opt{module_path}, conf => $opt{conf} || {},
        logic => $opt{logic_port}, error_log => "$opt{dir}/error.log",
        allowed => [], expected => {},
    }, $class;

    $self->{port} = reserve_ports(1);
    $self->{marks} = {
        DIR => $opt{dir}, CHANNEL => $opt{channel_path},
        AUTH => $opt{logic_port} ? "$opt{logic_port}/goim/auth"
                                 : $opt{auth_port} || 9,
        LOGIC => $opt{logic_port} || 9, PORT => $self->{port},
        USER => $< == 0 ? user_line() : '', TCP_SERVER => $tcp_server,
    };

    return $self;
}


# Workers of a root's master run as somebody else, as everywhere.
sub user_line {
    return 'user www-data;' if getpwnam('www-data');
    return 'user nobody nogroup;';
}


sub port { return $_[0]{port} }


# A further port, PORT_name in the configuration; names that begin with "udp"
# have the UDP side of theirs as well.
sub extra_port {
    my ($self, $name) = @_;

    my $port = $self->{extra}{$name} ||= reserve_ports(1);
    free_udp($port) if $name =~ /^udp/;

    return $port;
}


# The text of a configuration; %conf is laid over the options of new(), and
# all => text replaces the template.
sub conf_text {
    my ($self, %conf) = @_;

    my %opt = (%defaults,
               $self->{logic} ? %logic : (map { ($_ => '') } keys %logic),
               %{$self->{conf}}, %conf);

    if (!$opt{module}) {
        $opt{goim_http} = '';
        $opt{locations} = $opt{location};
    }

    my %marks = (%{$self->{marks}}, LOAD_MODULE => $opt{module}
                 ? "load_module $self->{module_path};" : '');
    my $text = defined $opt{all} ? $opt{all} : $template;

    1 while $text =~ s/%%(\w+)%%/$self->mark_value($1, \%opt, \%marks)/e;

    return $text;
}


sub mark_value {
    my ($self, $name, $opt, $marks) = @_;

    return $self->extra_port($1) if $name =~ /^PORT_(.+)/;
    return $marks->{$name} if defined $marks->{$name};
    return $opt->{$name} if defined $opt->{$name};

    croak("nothing for %%$name%%");
}


sub write_conf {
    my ($self, %conf) = @_;

    $self->{conf} = { %{$self->{conf}}, %conf };
    spew("$self->{dir}/nginx.conf", $self->conf_text);
}


sub command {
    my ($self, @args) = @_;

    return [$self->{binary}, '-p', "$self->{dir}/", @args];
}


sub start {
    my ($self) = @_;

    $self->write_conf;
    $self->{process} = Test::Goim::Process->new(
        name => 'nginx', dir => $self->{dir}, out => "$self->{dir}/nginx.out",
        argv => $self->command('-c', "$self->{dir}/nginx.conf"));

    $self->adopt_daemon if $self->{conf}{daemon};

    wait_until(15, 'nginx to start', sub {
        croak('nginx ended: ' . slurp("$self->{dir}/nginx.out")
              . slurp($self->{error_log})) if !$self->{process}->alive;
        return $self->worker_pids == $self->workers;
    });
    $self->wait_through;

    $self->expect_workers;

    return $self;
}


# A worker sets its title before, and takes connections after, the modules'
# part in its start, in which it opens its pipe in the channel's folder; an
# answer tells that one is through.
sub wait_through {
    my ($self) = @_;

    my %opt = (%defaults, %{$self->{conf}});

    $self->get('/');

    return if !$opt{module} || $opt{goim_http} !~ /%%CHANNEL%%/;

    for my $pid ($self->worker_pids) {
        wait_until(10, undef, sub {
            return grep { (readlink($_) || '') =~ m{\.d/\d+$} }
                glob("/proc/$pid/fd/*");
        });
    }
}


# What was started ends when it has forked; the daemon writes its pid then.
sub adopt_daemon {
    my ($self) = @_;

    $self->{process}->wait(15) or croak('nginx does not become a daemon');

    my $pid = $self->{process}->status == 0 && wait_until(15, undef, sub {
        return (slurp("$self->{dir}/nginx.pid") =~ /^(\d+)\n/)[0];
    });

    croak('nginx ended: ' . slurp("$self->{dir}/nginx.out")
          . slurp($self->{error_log})) if !$pid;

    $self->{process} = Test::Goim::Process->adopt(
        name => 'nginx', dir => $self->{dir}, pid => $pid);
}


sub workers {
    my ($self) = @_;

    return { %defaults, %{$self->{conf}} }->{workers};
}


sub pid { return $_[0]{process}->pid }
sub alive { return $_[0]{process} && $_[0]{process}->alive }


# [pid, title, parent] of the children of the master, and of the one before
# an upgrade.
sub children {
    my ($self) = @_;

    my %master = map { $_->pid => 1 }
        grep { $_ } @$self{qw(process old_process)};

    return map { [$_->[0], Test::Goim::Process::command_line($_->[0]),
                  $_->[1]] }
        grep { $master{$_->[1]} && $_->[3] !~ /[ZX]/ }
        Test::Goim::Process::table();
}


# Has a daemon's program started anew by SIGUSR2: a new master with workers
# beside the old ones, which go on; quit_old() ends these.
sub upgrade {
    my ($self) = @_;

    my $old = $self->{process};
    my $new;

    $old->kill('USR2');

    wait_until(20, 'a new master', sub {
        ($new) = map { $_->[0] } grep { $_->[1] =~ /master process/ }
            $self->children;
        return $new;
    });

    $self->{old_process} = $old;
    $self->{process} = Test::Goim::Process->adopt(
        name => 'nginx', dir => $self->{dir}, pid => $new);

    wait_until(20, 'the new master\'s workers',
               sub { $self->worker_pids == $self->workers });
    $self->wait_through;
    $self->expect_workers;
}


# Ends the master before the last upgrade() in grace; whether it did end is
# old_alive()'s to tell.
sub quit_old { $_[0]{old_process}->kill('QUIT') }
sub old_alive { return $_[0]{old_process}->alive }


# The way back from the last upgrade(): the old master stays, and gets workers
# again if they were asked to go by WINCH; the new one ends.
sub downgrade {
    my ($self) = @_;

    my ($old, $new) = @$self{qw(old_process process)};

    @$self{qw(process old_process)} = ($old, $new);
    $old->kill('HUP') if !$self->worker_pids;

    wait_until(20, 'workers of the old master',
               sub { $self->worker_pids == $self->workers });
    $self->expect_workers;
    $new->kill('QUIT');
}


# Pids of the master's workers that take connections, ascending.
sub worker_pids {
    my ($self) = @_;

    # an array: a sort has no value in scalar context
    my @pids = sort { $a <=> $b } map { $_->[0] }
        grep { $_->[1] eq 'nginx: worker process' && $_->[2] == $self->pid }
        $self->children;

    return @pids;
}


# Pids of the workers that are shutting down.
sub old_worker_pids {
    my ($self) = @_;

    my @pids = sort { $a <=> $b } map { $_->[0] }
        grep { $_->[1] =~ /worker process is shutting down/ }
        $self->children;

    return @pids;
}


# From here on the present workers are the right ones.
sub expect_workers {
    my ($self) = @_;

    $self->{expected} = { map { $_ => 1 } $self->worker_pids };
}


# What has changed with the workers, unasked.
sub unexpected_workers {
    my ($self) = @_;

    my $expected = $self->{expected};
    my %now = map { $_ => 1 } $self->worker_pids;

    my @gone = grep { !$now{$_} } sort keys %$expected;
    my @new = grep { !$expected->{$_} } sort keys %now;

    return ((map { "worker $_ is gone" } @gone),
            (map { "worker $_ is new" } @new));
}


# Reloads, with a changed configuration if %conf says so, and waits for the
# new workers.
sub reload {
    my ($self, %conf) = @_;

    my %old = map { $_ => 1 } $self->worker_pids;

    $self->write_conf(%conf);
    $self->{process}->kill('HUP');

    wait_until(20, 'new workers', sub {
        my @now = $self->worker_pids;
        return @now == $self->workers && !grep { $old{$_} } @now;
    });

    $self->wait_through;
    $self->expect_workers;
}


# A reload that nginx must refuse: what it logs about it.
sub refused_reload {
    my ($self, %conf) = @_;

    my $before = length slurp($self->{error_log});
    my $good = $self->{conf};

    $self->write_conf(%conf);
    $self->{process}->kill('HUP');

    my $log = wait_until(20, 'the reload to be refused', sub {
        my $new = substr(slurp($self->{error_log}), $before);
        return $new =~ /\[emerg\].*\n/ ? $new : undef;
    });

    $self->{conf} = $good;
    $self->write_conf;
    $self->allow_alerts(quotemeta($_))
        for $log =~ /(\[emerg\] .*)/g;

    return $log;
}


# nginx -t with a configuration, see conf_text(): its exit code and what it
# says.  It does not free nginx's very first pool when it finds a mistake.
sub test {
    my ($self, %conf) = @_;

    my $path = "$self->{dir}/test.conf";
    my $out = "$self->{dir}/test.out";

    spew($path, $self->conf_text(%conf));
    unlink($out);

    my $process = Test::Goim::Process->new(
        name => 'nginx -t', dir => $self->{dir}, out => $out,
        env => { ASAN_OPTIONS => "$ENV{ASAN_OPTIONS}:detect_leaks=0" },
        argv => $self->command('-t', '-c', $path));
    $process->wait(20) or croak('nginx -t hangs');

    # it may have opened the log that we look into at the end
    my $text = slurp($out);
    $self->allow_alerts(quotemeta($_))
        for $text =~ /\[(?:emerg|alert)\] (.*)/g;

    return ($process->status >> 8, $text);
}


# Sends a signal to a worker, a pid or an index into worker_pids().  One that
# kills is allowed its alert, and its successor is waited for.
sub kill_worker {
    my ($self, $signal, $which) = @_;

    my @pids = $self->worker_pids;
    my $pid = $which < @pids ? $pids[$which] : $which;
    my $number = { KILL => 9, SEGV => 11, ABRT => 6 }->{$signal};

    $self->allow_alerts("worker process $pid exited on signal $number")
        if $number;
    CORE::kill($signal, $pid) or croak("worker $pid: $!");

    return $pid if !$number;

    wait_until(15, "the successor of worker $pid", sub {
        my @now = $self->worker_pids;
        return @now == @pids && !grep { $_ == $pid } @now;
    });

    $self->wait_through;
    $self->expect_workers;

    return $pid;
}


# pid => { the port of a client's end => 1 } for all connections to a port of
# ours, of each worker that holds the other end: of a connection that is being
# handed over two do.
sub ports_of_workers {
    my ($self, $port) = @_;

    my (%client_port, %ports);
    my $ours = sprintf(':%04X', $port || $self->{port});

    for my $line (split(/\n/, slurp('/proc/net/tcp'))) {
        my (undef, $local, $remote, $state, undef, undef, undef, undef,
            undef, $inode) = split(' ', $line);

        next if !$inode || $local !~ /$ours$/ || $state ne '01';
        $client_port{$inode} = hex((split(/:/, $remote))[1]);
    }

    for my $pid (map { $_->[0] } $self->children) {
        $ports{$pid} = {};

        for my $fd (glob("/proc/$pid/fd/*")) {
            my ($inode) = (readlink($fd) || '') =~ /^socket:\[(\d+)\]/
                or next;
            $ports{$pid}{$client_port{$inode}} = 1 if $client_port{$inode};
        }
    }

    return \%ports;
}


# The port of the client's end => pid of the worker that holds the other end,
# for all connections to a port of ours.
sub worker_of_ports {
    my ($self, $port) = @_;

    my $ports = $self->ports_of_workers($port);

    return { map { my $pid = $_; map { $_ => $pid } keys %{$ports->{$pid}} }
                 keys %$ports };
}


# Sockets that are connected to one of several workers.
sub sockets_to {
    my ($self, $pid, $n) = @_;

    my @found;

    for (1 .. 20) {
        my @sockets = map {
            IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $self->port)
                or croak("connect: $@");
        } 1 .. 2 * $n;
        my $worker;

        wait_until(20, 'connections to be accepted', sub {
            $worker = $self->worker_of_ports;
            return !grep { !$worker->{$_->sockport} } @sockets;
        });

        push @found, grep { $worker->{$_->sockport} == $pid } @sockets;
        return @found[0 .. $n - 1] if @found >= $n;
    }

    croak("worker $pid gets no connections");
}


# Lines of the error log that match are no fault.
sub allow_alerts {
    my ($self, $pattern) = @_;

    push @{$self->{allowed}}, $pattern;
}


# Those that are.  A worker that ends itself for want of something it can't do
# without is no alert of nginx's, and counts as one.
sub alerts {
    my ($self) = @_;

    my $bad = qr{\[(alert|emerg)\]|worker process \d+ exited with code [1-9]};
    my @lines = grep { $_ =~ $bad }
        split(/\n/, slurp($self->{error_log}));

    for my $pattern (@{$self->{allowed}}) {
        @lines = grep { !/$pattern/ } @lines;
    }

    return @lines;
}


sub get {
    my ($self, $path, %opt) = @_;

    return http_request($opt{port} || $self->{port}, $path, %opt);
}


# Whether it ended as asked: TERM is a fast end, QUIT a graceful one.
sub stop {
    my ($self, $signal, $seconds) = @_;

    return 1 if !$self->alive;

    return $self->{process}->stop($signal || 'TERM', $seconds || 20);
}


1;
