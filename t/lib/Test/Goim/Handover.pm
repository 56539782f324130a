# A hand-over that stands still in its middle: connections have been offered to
# workers that do nothing until they are told to.

package Test::Goim::Handover;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use Fcntl qw(F_WRLCK SEEK_SET);

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Util qw(slurp);

our @EXPORT_OK = qw(offer offered gave_up process_state take_all_turns);

use constant {
    F_OFD_SETLK => 37,
    TURNS_AT => 64 + 1024,   # bytes behind the file; docs/channel.md
    TURNS => 512,
};


# "S" of one that sleeps, "T" of one that has got its SIGSTOP, nothing of one
# that is gone; see proc(5).
sub process_state {
    my ($pid) = @_;

    return slurp("/proc/$pid/stat") =~ /\) (\w) / ? $1 : '';
}


# A worker's slot, and one, which is true.
sub slot_of {
    my ($pid) = @_;

    return wait_until(10, 'a slot', sub {
        my ($slot) = map { (readlink($_) || '') =~ m{\.d/(\d+)$} ? ($1 + 1)
                                                                : () }
            glob("/proc/$pid/fd/*");
        return $slot;
    });
}


# Those of some workers before which an offer waits, or has waited.
sub offered {
    my ($goim, @pids) = @_;

    my %n;

    # the listening one, and what waits there
    m{\Q$goim->{shm}\E\S*/(\d+)\.s$} && $n{$1 + 1}++
        for split(/\n/, slurp('/proc/net/unix'));

    return grep { ($n{slot_of($_)} || 0) > 1 } @pids;
}


# A reload to a number of workers, all of them but $spared stopped; the old
# ones go on only then, and offer their connections to those first. before =>
# sub: called while all stand still. Returns the old ones' pids, and those of
# the stopped.
sub offer {
    my ($goim, $workers, $spared, %opt) = @_;

    my $nginx = $goim->nginx;
    my @old = $goim->worker_pids;
    my %old = map { $_ => 1 } @old;

    CORE::kill('STOP', @old);
    $nginx->write_conf(workers => $workers);
    CORE::kill('HUP', $nginx->pid);
    wait_until(10, 'new workers', sub {
        return $workers + @old == $goim->worker_pids;
    });

    # the first ones behind the old one's slot are asked first

    my @all = $goim->worker_pids;
    my %slot = map { $_ => slot_of($_) } @all;
    my %behind = map { $_ => ($slot{$_} - $slot{$old[0]}) % 1024 } @all;
    my @new = sort { $behind{$a} <=> $behind{$b} } grep { !$old{$_} } @all;
    my @still = @new[0 .. $#new - $spared];

    wait_until(10, 'them to listen', sub {
        my %there = map { m{/(\d+)\.s$} ? ($1 + 1 => 1) : () }
            glob("$goim->{shm}/*.d/*.s");
        return !grep { !$there{$slot{$_}} } @new;
    });

    CORE::kill('STOP', @still);
    $opt{before}->() if $opt{before};
    CORE::kill('CONT', @old);

    wait_until(10, 'an offer', sub { return offered($goim, @still) });

    # from there on it does not sleep until it has been sent
    wait_until(10, 'it to be sent', sub {
        return !grep { process_state($_) =~ /[DR]/ } @old;
    });

    return (@old, @still);
}


# How often offers were taken back for want of an answer.
sub gave_up {
    my ($goim) = @_;

    return scalar(() = $goim->error_log =~ /does not answer/g);
}


# Somebody has all the turns of those that leave until what is returned is
# closed, or gone; see fcntl(2).
sub take_all_turns {
    my ($goim) = @_;

    my ($path) = $goim->generations;

    open(my $file, '+<', $path) or croak("$path: $!");
    fcntl($file, F_OFD_SETLK,
          pack('s s x![q] q q l x![q]', F_WRLCK, SEEK_SET,
               (-s $file) + TURNS_AT, TURNS, 0))
        or croak("a lock: $!");

    return $file;
}


1;
