# Clients of one server: as many goim_load beside each other as the limit of
# open files asks for, which answer as one.

package Bench::Load;

use strict;
use warnings;

use JSON::PP;
use List::Util qw(max min sum);
use POSIX qw(ceil);
use Time::HiRes qw(time);

use Test::Goim::Loop qw(turn);
use Test::Goim::Util qw(slurp);

# of a process's open files, less some for itself
my ($files) = slurp('/proc/self/limits') =~ /^Max open files\s+(\d+)/m;
my $json = JSON::PP->new;


# For one process, with a share to spare: workers get their clients by a hash,
# and nginx wants a sixteenth of its connections free.
sub most { return int(($files - 500) * 0.85) }
sub files { return $files }


# server, a Bench::Server; clients => 10000, rooms => 1; type => 'live', of the
# rooms; token => of auth packets; first => 1: nothing on the core goes before
# them; env => { ... }.  Dies unless all get ready.
sub new {
    my ($class, %opt) = @_;

    my $server = $opt{server};
    my $n = ceil($opt{clients} / most());
    my $each = ceil($opt{clients} / $n);
    my $type = $opt{type} || 'live';
    my $self = bless { n => $opt{clients}, tools => [] }, $class;
    my $began = time;

    for my $i (0 .. $n - 1) {
        my $at = 2 * $server->{generators}++;

        local @ENV{keys %{$opt{env}}} = values %{$opt{env}} if $opt{env};
        local $ENV{GOIM_LOAD_FROM}
            = sprintf('127.0.%d.%d', 1 + int($at / 250), 1 + $at % 250);

        push @{$self->{tools}}, $server->tool(
            "load$server->{generators}", $server->{second},
            $opt{first} ? ('/usr/bin/chrt', '-f', 10) : (),
            "$server->{tools}/goim_load", $server->address,
            "/sub?room=$type://%d", min($each, $opt{clients} - $i * $each),
            defined $opt{token} ? $opt{token} : '-', $opt{rooms});
    }

    $self->{process} = $self->{tools}[0];
    my $stats = $self->gather(600);
    $self->{seconds} = time - $began;
    $self->{resumed} = $stats->{resumed};

    die "$server->{kind}: only $stats->{ready} of $opt{clients} clients are "
        . "ready\n", slurp("$server->{dir}/error.log")
        if $stats->{ready} != $opt{clients};

    return $self;
}


sub connects { return $_[0]{n} / $_[0]{seconds} }


sub say {
    my ($self, $command) = @_;

    $_->say($command) for @{$self->{tools}};
}


# What each says next, added up; of percentiles, the worst.
sub gather {
    my ($self, $seconds) = @_;

    my @all = map { $json->decode($_->answer(qr/^\{/, $seconds || 600)) }
        @{$self->{tools}};

    return {
        map { my $key = $_;
              $key => ($key =~ /_us$/ ? \&max : \&sum)
                          ->(map { $_->{$key} } @all) } keys %{$all[0]}
    };
}


# Whether each has a line to gather().
sub has_spoken {
    my ($self) = @_;

    turn(0);
    return !grep { !grep { /^\{/ } @{$_->{lines}} } @{$self->{tools}};
}


sub stats { my ($self) = @_; $self->say('stats'); return $self->gather }


# When it returns, nothing that has come before is counted any more, and
# whatever comes is: a message that is published earlier may be counted on the
# wrong side.
sub reset { my ($self) = @_; $self->say('reset'); return $self->gather }


sub stop {
    my ($self) = @_;

    $_->kill('KILL') for @{$self->{tools}};
    $_->stop('KILL', 60) for @{$self->{tools}};
}


1;
