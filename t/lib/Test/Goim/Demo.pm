# One run of the demo, on ports and in a folder of the test's own: what it
# says, who its daemons are, and clients of it.

package Test::Goim::Demo;

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);

use Test::Goim::Client;
use Test::Goim::Loop qw(wait_until);
use Test::Goim::Process;
use Test::Goim::TcpClient;
use Test::Goim::Util qw(reserve_ports slurp);

my $top = abs_path(dirname(__FILE__) . '/../../../..');

# daemons as they are called in the demo's words, and by their command lines
my %daemons = (
    'mock_kafka' => qr{mock_kafka\b}, 'goim-logic' => qr{/goim-logic -c},
    'goim-job' => qr{/goim-job -c}, 'nginx' => qr{^nginx: master},
    'worker' => qr{^nginx: worker process$},
);


# goim => the test's host, env => { ... }, undef for one without;
# argv => conf/demo/demo.pl, or make
sub new {
    my ($class, $goim, %opt) = @_;

    my $first = reserve_ports(3);
    my $self = bless {
        dir => $goim->dir, tcp => $first, ws => $first + 1,
        logic => $first + 2, clients => [],
    }, $class;

    $self->{process} = Test::Goim::Process->new(
        name => 'demo', dir => $self->{dir}, pipe => 1,
        out => "$self->{dir}/demo.err",
        env => { TMPDIR => $self->{dir}, DEMO_TCP_PORT => $self->{tcp},
                 DEMO_WS_PORT => $self->{ws},
                 DEMO_LOGIC_PORT => $self->{logic},
                 (map { $_ => '' } qw(KAFKA REDIS MAKEFLAGS MAKELEVEL)),
                 %{$opt{env} || {}} },
        argv => $opt{argv} || [$class->script]);

    push @{$goim->{tools_running}}, $self->{process};

    return $self;
}


sub script { return "$top/conf/demo/demo.pl" }
sub top { return $top }
sub process { return $_[0]{process} }
sub ws_port { return $_[0]{ws} }
sub tcp_port { return $_[0]{tcp} }
sub logic_port { return $_[0]{logic} }


# --- what it says

sub lines { return @{$_[0]{process}{lines}} }
sub errors { return slurp("$_[0]{dir}/demo.err") }


# Waits for a line that matches, from the one at index $from on; the index of
# the line behind it.
sub says {
    my ($self, $pattern, $from) = @_;

    my $next = wait_until(30, undef, sub {
        my @lines = $self->lines;

        for my $i ($from || 0 .. $#lines) {
            return $i + 1 if $lines[$i] =~ $pattern;
        }

        die 'the demo has ended: ' . $self->errors
            if !$self->{process}->alive;
        return;
    });

    return $next || croak("$pattern is not what the demo says:\n"
                          . join("\n", $self->lines));
}


# Waits until it is ready, and has said all about it.
sub ready {
    my ($self) = @_;

    my $line = $self->says(qr/^ready/);
    $self->says(qr/^Ctrl-C/, $line);

    return $self;
}


# The last line of its words that begins so, white space aside.
sub line {
    my ($self, $beginning) = @_;

    my ($line) = map { /^\s*(\Q$beginning\E.*)/ ? $1 : () }
        reverse $self->lines;

    return $line;
}


# Does what a line for the shell says, as it stands there; the exit code.
sub run_line {
    my ($self, $beginning) = @_;

    my $line = $self->line($beginning) or croak("no line \"$beginning\"");
    my $process = Test::Goim::Process->new(
        name => $beginning, dir => $self->{dir},
        out => "$self->{dir}/lines.out", argv => ['/bin/sh', '-c', $line]);

    $process->wait(20) or croak("\"$line\" hangs");

    return $process->status >> 8;
}


# --- its processes and folders

# Pids and command lines of all its descendants.
sub descendants {
    my ($self) = @_;

    my %of;
    my @todo = $self->{process}->pid;
    my %found;

    for my $row (Test::Goim::Process::table()) {
        push @{$of{$row->[1]}}, $row->[0] if $row->[3] !~ /[ZX]/;
    }

    while (defined(my $pid = shift @todo)) {
        for my $child (@{$of{$pid} || []}) {
            $found{$child} = Test::Goim::Process::command_line($child);
            push @todo, $child;
        }
    }

    return \%found;
}


# Pids of a daemon, named as in the demo's words; workers of nginx as well.
sub pids {
    my ($self, $name) = @_;

    my $found = $self->descendants;

    # an array: a sort has no value in scalar context
    my @pids = sort { $a <=> $b }
        grep { $found->{$_} =~ $daemons{$name} } keys %$found;

    return @pids;
}


# The demo itself, which may have been started by make.
sub supervisor {
    my ($self) = @_;

    my $found = $self->descendants;
    my ($pid) = grep { $found->{$_} =~ m{demo\.pl$} } keys %$found;

    return $pid || $self->{process}->pid;
}


# The folders that it has made.
sub folders {
    my ($self) = @_;

    my @own = glob("$self->{dir}/goim-demo-*");
    my ($channel) = map { slurp("$_/nginx.conf")
                          =~ m{goim_channel\s+"(.*)/channel"} } @own;

    return (@own, defined $channel ? $channel : ());
}


# --- clients

sub connect_ws {
    my ($self, $room, %token) = @_;

    return Test::Goim::Client->new(port => $self->{ws})
        ->join_room($room, %token);
}


sub connect_tcp {
    my ($self, $room, %token) = @_;

    return Test::Goim::TcpClient->new(
        port => $self->{tcp},
        token => { room_id => $room, %token })->auth;
}


1;
