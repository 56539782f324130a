# One connection passed on to a server of 127.0.0.1, with some bytes in front:
# for tools that can't send them themselves.

package Test::Goim::Relay;

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::INET;

use Test::Goim::Loop qw(watch unwatch);


# port => the server's, preface => what comes first
sub new {
    my ($class, %opt) = @_;

    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                         Listen => 1)
        or croak("listen: $@");
    my $self = bless { %opt, socket => $listener,
                       listens_on => $listener->sockport }, $class;

    watch($listener, $self);

    return $self;
}


sub listens_on { return $_[0]{listens_on} }


# The tool has connected.
sub on_readable {
    my ($self) = @_;

    my $tool = $self->{socket}->accept or croak("accept: $!");
    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $self->{port})
        or croak("connect: $@");

    unwatch($self->{socket});
    close(delete $self->{socket});

    my @ends = map { Test::Goim::Relay::End->new($_) } $tool, $server;
    ($ends[0]{other}, $ends[1]{other}) = reverse @ends;

    $ends[1]->send_bytes($self->{preface});
}


package Test::Goim::Relay::End;

use Test::Goim::Loop qw(watch unwatch want_write);


sub new {
    my ($class, $socket) = @_;

    my $self = bless { socket => $socket, out => '' }, $class;

    $socket->blocking(0);
    watch($socket, $self);

    return $self;
}


sub send_bytes {
    my ($self, $bytes) = @_;

    return if !$self->{socket};

    $self->{out} .= $bytes;
    want_write($self->{socket}, 1);
}


sub on_writable {
    my ($self) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $n = syswrite($self->{socket}, $self->{out});

    substr($self->{out}, 0, $n, '') if $n;
    want_write($self->{socket}, length $self->{out} ? 1 : 0);
}


sub on_readable {
    my ($self) = @_;

    my $n = sysread($self->{socket}, my $bytes, 65536);

    return $self->{other}->send_bytes($bytes) if $n;
    return if !defined $n && ($!{EAGAIN} || $!{EINTR});

    $self->{other}->finish;
    $self->finish;
}


sub finish {
    my ($self) = @_;

    return if !$self->{socket};

    $self->on_writable if length $self->{out};
    unwatch($self->{socket});
    close(delete $self->{socket});
    delete $self->{other};
}


1;
