# The one event loop of a test: whoever waits for anything keeps all clients
# and tools served meanwhile.  Nothing here sleeps without a condition.

package Test::Goim::Loop;

use strict;
use warnings;

use Carp qw(croak);
use Errno qw(EINTR);
use Exporter qw(import);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(watch unwatch want_write turn wait_until patience);

my ($readable, $writable) = ('', '');
my %watched;


# How many times longer than usual everything may take: a deadline only bounds
# a failure, and a machine may stand still for seconds.
sub patience {
    return $ENV{GOIM_SAN} ? 6 : 4;
}


# The object's on_readable() is called when its handle is, and on_writable()
# while want_write() says so.
sub watch {
    my ($fh, $object) = @_;

    $watched{fileno $fh} = $object;
    vec($readable, fileno $fh, 1) = 1;
    vec($writable, fileno $fh, 1) = 0;
}


sub unwatch {
    my ($fh) = @_;

    delete $watched{fileno $fh};
    vec($readable, fileno $fh, 1) = 0;
    vec($writable, fileno $fh, 1) = 0;
}


sub want_write {
    my ($fh, $on) = @_;

    vec($writable, fileno $fh, 1) = $on;
}


# Stops or goes on reading from a watched handle.
sub want_read {
    my ($fh, $on) = @_;

    vec($readable, fileno $fh, 1) = $on;
}


# Serves what is ready, after at most $seconds.
sub turn {
    my ($seconds) = @_;

    my ($r, $w) = ($readable, $writable);
    my $n = select($r, $w, undef, $seconds);

    if ($n < 0) {
        croak("select: $!") if $! != EINTR;
        return;
    }

    return if $n == 0;

    for my $fd (keys %watched) {
        # one handler may have closed what another was to serve
        my $object = $watched{$fd};
        next if !$object;

        $object->on_writable if vec($w, $fd, 1);
        $object->on_readable
            if vec($r, $fd, 1) && $watched{$fd} && $watched{$fd} == $object;
    }
}


# The condition's first true value.  After $seconds (times patience) returns
# nothing, or dies if $what names what was waited for.
sub wait_until {
    my ($seconds, $what, $condition) = @_;

    my $deadline = time + $seconds * patience();
    my $pause = 0.001;

    while (1) {
        my $value = $condition->();
        return $value if $value;

        if (time > $deadline) {
            croak("waited in vain: $what") if defined $what;
            return;
        }

        # most conditions come true by what a watched handle brings; the
        # others are looked at again soon
        turn($pause);
        $pause = $pause * 1.5 > 0.02 ? 0.02 : $pause * 1.5;
    }
}


1;
