# One goim-job or goim-logic: its configuration file, its life, and the word
# that it is ready, which it gives as systemd would get it.

package Test::Goim::Daemon;

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);

use Test::Goim::Loop qw(watch unwatch wait_until);
use Test::Goim::Process;
use Test::Goim::Util qw(slurp spew);


# dir, binary, name => 'job' or the like, conf => { section => { key => value } },
# env => { ... }
sub new {
    my ($class, %opt) = @_;

    my $self = bless { env => {}, %opt, notified => '' }, $class;

    $self->{conf_path} = "$self->{dir}/goim-$self->{name}.conf";
    $self->{log} = "$self->{dir}/$self->{name}.log";
    $self->write_conf;

    return $self;
}


# Writes the file anew; $conf is laid over what it has.
sub write_conf {
    my ($self, $conf) = @_;

    for my $section (keys %{$conf || {}}) {
        $self->{conf}{$section} = { %{$self->{conf}{$section} || {}},
                                    %{$conf->{$section}} };
    }

    my $text = '';

    for my $section (sort keys %{$self->{conf}}) {
        my $of = $self->{conf}{$section};
        $text .= "[$section]\n";
        $text .= "$_ = $of->{$_}\n"
            for grep { defined $of->{$_} } sort keys %$of;
        $text .= "\n";
    }

    spew($self->{conf_path}, $text);
}


# The daemon's arguments for this file.
sub arguments { return ('-c', $_[0]{conf_path}) }


# Runs until it says it is ready; ready => 0: doesn't wait for that.
sub start {
    my ($self, %opt) = @_;

    my $path = "$self->{dir}/$self->{name}.notify";
    unlink($path);
    $self->{notified} = '';
    $self->{notify} = IO::Socket::UNIX->new(
        Type => SOCK_DGRAM, Local => $path) or croak("$path: $!");
    $self->{notify}->blocking(0);
    watch($self->{notify}, $self);

    $self->{process} = Test::Goim::Process->new(
        name => $self->{name}, dir => $self->{dir}, out => $self->{log},
        env => { %{$self->{env}}, NOTIFY_SOCKET => $path },
        argv => [$self->{binary}, $self->arguments]);

    $self->wait_ready if !defined $opt{ready} || $opt{ready};

    return $self;
}


sub on_readable {
    my ($self) = @_;

    # nothing but short messages, each read whole
    while (defined sysread($self->{notify}, my $text, 4096)) {
        $self->{notified} .= "$text\n";
    }
}


# What it told systemd so far.
sub notified { return $_[0]{notified} }


sub is_ready { return $_[0]{notified} =~ /^READY=1$/m }


sub wait_ready {
    my ($self, $seconds) = @_;

    wait_until($seconds || 15, "$self->{name} to be ready", sub {
        croak("$self->{name} ended: " . slurp($self->{log}))
            if !$self->{process}->alive;
        return $self->is_ready;
    });
}


sub pid { return $_[0]{process}->pid }
sub alive { return $_[0]{process} && $_[0]{process}->alive }
sub signal { return $_[0]{process}->kill($_[1]) }
sub log_text { return slurp($_[0]{log}) }


# Its exit code, -signal if a signal ended it, nothing while it runs.
sub exit_code {
    my ($self, $seconds) = @_;

    $self->{process}->wait($seconds || 10) or return;
    my $status = $self->{process}->status;

    return $status & 127 ? -($status & 127) : $status >> 8;
}


# Ends it at once and waits until the system has taken its locks away.
sub kill9 {
    my ($self) = @_;

    $self->{process}->kill('KILL');
    $self->{process}->wait(10) or croak("$self->{name} survives SIGKILL");
    $self->close_notify;
}


# Ends it as a service manager does; its exit code.
sub stop {
    my ($self) = @_;

    return if !$self->{process};

    # before it is ready, the signal may end it as signals do
    my $ran = $self->{process}->alive && $self->is_ready;

    $self->{process}->stop('TERM', 15);
    $self->close_notify;

    my $code = $self->exit_code;
    $self->{ended_badly} = $code if $ran && $code;

    return $code;
}


# The code of an end that was asked for and did not go well.
sub ended_badly { return $_[0]{ended_badly} }


sub restart {
    my ($self) = @_;

    $self->stop;

    return $self->start;
}


sub close_notify {
    my ($self) = @_;

    my $socket = delete $self->{notify} or return;
    $self->{notify} = $socket;
    $self->on_readable;
    unwatch($socket);
    close(delete $self->{notify});
}


# The daemon with other arguments, e.g. --check: its exit code and its output.
sub run {
    my ($self, @args) = @_;

    my $out = "$self->{dir}/$self->{name}.run";
    unlink($out);

    my $process = Test::Goim::Process->new(
        name => "$self->{name} @args", dir => $self->{dir}, out => $out,
        env => $self->{env},
        argv => [$self->{binary}, $self->arguments, @args]);
    $process->wait(20) or croak("$self->{name} @args hangs");

    return ($process->status >> 8, slurp($out));
}


1;
