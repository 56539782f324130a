# What reloads could leave behind in a running nginx: descriptors, slots,
# files, processes, memory; taken at one time and compared at another.

package Test::Goim::Leftovers;

use strict;
use warnings;

use List::Util qw(sum0);

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Util qw(slurp);


# looks in a row that must find the same: a master that has still to hear of a
# worker's end holds its sockets
use constant LOOKS => 20;


# together => 1: clients are connected, to any workers, of whose descriptors the
# sum is taken.
sub new {
    my ($class, $goim, %opt) = @_;

    my $self = bless { goim => $goim, %opt }, $class;
    $self->{at_start} = $self->settled;

    return $self;
}


sub settled {
    my ($self) = @_;

    my ($last, $same, $now) = ('', 0);

    wait_until(30, 'nginx to settle', sub {
        $now = $self->inventory;
        my $text = join("\n", map { "$_ $now->{$_}" } sort keys %$now);

        $same = $text eq $last ? $same + 1 : 0;
        $last = $text;

        return $same >= LOOKS;
    });

    return $now;
}


# Descriptors of a process, by what they are; "socket:[123]" is a socket.
sub descriptors {
    my ($pid) = @_;

    my %n;

    for my $path (glob("/proc/$pid/fd/*")) {
        my $link = readlink($path);
        next if !defined $link;
        $link =~ s/:\[\d+\]$//;
        $n{$link}++;
    }

    return join("\n", map { "$n{$_} $_" } sort keys %n);
}


sub inventory {
    my ($self) = @_;

    my $goim = $self->{goim};
    my $nginx = $goim->nginx;
    my %now = (
        'the master\'s descriptors' => descriptors($nginx->pid),
        'processes' => scalar $nginx->children,
        'slots in use' => scalar @{$goim->status->{workers}},
        'files of the channel' =>
            scalar @{[glob($goim->channel_path . '*')]},
    );

    # a worker has channels to the others by when they came, not by order
    my @n = map { scalar(() = glob("/proc/$_/fd/*")) } $nginx->worker_pids;
    $now{'workers\' descriptors'} = $self->{together}
        ? sum0(@n) : join(' ', sort { $a <=> $b } @n);

    return \%now;
}


# What differs from the start, when all that was to end has ended: texts.
sub differences {
    my ($self, $seconds) = @_;

    my $then = $self->{at_start};
    my @found;

    wait_until($seconds || 30, undef, sub {
        my $now = $self->inventory;

        @found = map { "$_:\n$now->{$_}\nwere\n$then->{$_}" }
            grep { $now->{$_} ne $then->{$_} } sort keys %$then;

        return !@found;
    });

    return @found;
}


# The master's memory in KB.
sub memory {
    my ($self) = @_;

    my ($kb) = slurp('/proc/' . $self->{goim}->nginx->pid . '/status')
        =~ /^VmRSS:\s+(\d+)/m;

    return $kb;
}


1;
