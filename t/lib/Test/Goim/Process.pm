# A child process of the test: started in a process group of its own, told
# apart by its environment, and found again wherever it hides.

package Test::Goim::Process;

use strict;
use warnings;

use Carp qw(croak);
use POSIX qw(WNOHANG);

use Test::Goim::Loop qw(wait_until watch unwatch);

# process groups of all that were started => the folders they belong to
my %groups;


# name, argv => [...], env => {...}, out => file for stdout and stderr;
# pipe => 1: stdin and stdout are lines to say() to and to take from answer();
# stdio => a handle that is both.
sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        name => $opt{name}, dir => $opt{dir}, lines => [], partial => '',
        sent => '',
    }, $class;

    my ($in, $out, $child_in, $child_out);

    if ($opt{pipe}) {
        pipe($child_in, $in) or croak("pipe: $!");
        pipe($out, $child_out) or croak("pipe: $!");
    }

    my $pid = fork();
    croak("fork: $!") if !defined $pid;

    if ($pid == 0) {
        setpgrp(0, 0);

        $ENV{$_} = $opt{env}{$_} for keys %{$opt{env} || {}};
        $ENV{GOIM_TEST_DIR} = $opt{dir};
        $SIG{$_} = 'DEFAULT' for qw(ALRM INT TERM PIPE);

        open(STDERR, '>>', $opt{out}) or POSIX::_exit(127);

        if ($opt{pipe}) {
            open(STDIN, '<&', $child_in) or POSIX::_exit(127);
            open(STDOUT, '>&', $child_out) or POSIX::_exit(127);

        } elsif ($opt{stdio}) {
            open(STDIN, '<&', $opt{stdio}) or POSIX::_exit(127);
            open(STDOUT, '>&', $opt{stdio}) or POSIX::_exit(127);

        } else {
            open(STDIN, '<', '/dev/null') or POSIX::_exit(127);
            open(STDOUT, '>&', \*STDERR) or POSIX::_exit(127);
        }

        { no warnings 'exec'; exec { $opt{argv}[0] } @{$opt{argv}}; }
        print STDERR "$opt{argv}[0]: $!\n";
        POSIX::_exit(127);
    }

    # also done by the child: whoever is first
    setpgrp($pid, $pid);
    $groups{$pid} = $opt{dir};
    $self->{pid} = $pid;

    if ($opt{pipe}) {
        $in->autoflush(1);
        $out->blocking(0);
        @$self{qw(in out)} = ($in, $out);
        watch($out, $self);
    }

    return $self;
}


# A process that one of ours has started, and that is nobody's child by now.
sub adopt {
    my ($class, %opt) = @_;

    return bless { %opt, adopted => 1, lines => [] }, $class;
}


sub pid { return $_[0]{pid} }


sub on_readable {
    my ($self) = @_;

    my $n = sysread($self->{out}, $self->{partial}, 65536,
                    length $self->{partial});

    if (!$n) {
        return if !defined $n && ($!{EAGAIN} || $!{EINTR});
        unwatch($self->{out});
        close(delete $self->{out});
        return;
    }

    push @{$self->{lines}}, $1 while $self->{partial} =~ s/^(.*)\n//;
}


sub say {
    my ($self, @lines) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print {$self->{in}} map { "$_\n" } @lines;
}


# The next line that matches; others stay for their own askers.
sub answer {
    my ($self, $pattern, $seconds) = @_;

    return wait_until($seconds || 10, "$self->{name} to say $pattern", sub {
        my $lines = $self->{lines};

        for my $i (0 .. $#$lines) {
            next if $lines->[$i] !~ $pattern;
            return splice(@$lines, $i, 1);
        }

        die "$self->{name} has ended\n" if !$self->{out} || !$self->alive;
        return;
    });
}


sub alive {
    my ($self) = @_;

    return 0 if defined $self->{status};

    if ($self->{adopted}) {
        return 1 if grep { $_->[0] == $self->{pid} && $_->[3] !~ /[ZX]/ }
            table();
        $self->{status} = 0;
        return 0;
    }

    if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
        return 0;
    }

    return 1;
}


# The status as waitpid() tells it, once the process has ended.
sub status { return $_[0]{status} }


sub kill {
    my ($self, $signal) = @_;

    return if !$self->alive;
    CORE::kill($signal, $self->{pid});
}


# Whether it ended in time.
sub wait {
    my ($self, $seconds) = @_;

    return wait_until($seconds || 10, undef, sub { !$self->alive });
}


# Asks it to end, and insists.  Returns whether it came to that.
sub stop {
    my ($self, $signal, $seconds) = @_;

    if ($self->{in}) {
        close(delete $self->{in});
    }

    $self->kill($signal || 'TERM');
    return 1 if $self->wait($seconds);

    CORE::kill('KILL', -$self->{pid});
    $self->wait(5);

    return 0;
}


# [pid, parent, group, state, session] of all processes.
sub table {
    my @table;

    for my $dir (glob('/proc/[0-9]*')) {
        open(my $fh, '<', "$dir/stat") or next;
        my $stat = <$fh>;
        next if !defined $stat;
        my ($pid, $state, $parent, $group, $session)
            = $stat =~ /^(\d+) \(.*\) (\S) (\d+) (\d+) (\d+)/s or next;

        push @table, [$pid, $parent, $group, $state, $session];
    }

    return @table;
}


sub command_line {
    my ($pid) = @_;

    open(my $fh, '<', "/proc/$pid/cmdline") or return '';
    local $/;
    my $line = <$fh>;
    return '' if !defined $line;
    $line =~ tr/\0/ /;
    $line =~ s/\s+$//;

    return $line;
}


# What was started for a folder and still lives: pid => command line.
sub living {
    my ($class, $dir) = @_;

    my %found;
    my @all = table();
    my ($own) = map { $_->[4] } grep { $_->[0] == $$ } @all;

    for my $row (@all) {
        my ($pid, undef, $group, $state, $session) = @$row;
        next if $pid == $$ || $state =~ /[ZX]/;

        # in another session a group's number was given out again
        my $ours = $session == $own && ($groups{$group} || '') eq $dir;

        if (!$ours && open(my $fh, '<', "/proc/$pid/environ")) {
            local $/;
            my $env = <$fh>;
            $ours = defined $env
                && index("\0$env\0", "\0GOIM_TEST_DIR=$dir\0") >= 0;
        }

        # one without a command line is ending, its memory given back
        my $line = $ours ? command_line($pid) : '';
        $found{$pid} = $line if $line ne '';
    }

    return %found;
}


# The same as texts; then kills it.
sub leftovers {
    my ($class, $dir) = @_;

    my %found = $class->living($dir);

    CORE::kill('KILL', keys %found) if %found;

    return map { "$_ $found{$_}" } sort keys %found;
}


1;
