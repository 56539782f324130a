# Pushes into Kafka through the resident tool "produce".  A push returns when
# Kafka has acknowledged it; a stream goes on by itself.

package Test::Goim::Producer;

use strict;
use warnings;

use Carp qw(croak);

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Process;

my $streams = 0;


# dir, tools, bootstrap, topic; properties => ['name=value', ...]
sub new {
    my ($class, %opt) = @_;

    my $self = bless { topic => 'goim-push-topic', %opt }, $class;

    $self->{process} = Test::Goim::Process->new(
        name => 'produce', dir => $self->{dir}, pipe => 1,
        out => "$self->{dir}/produce.err",
        argv => ["$self->{tools}/produce", $self->{bootstrap},
                 $self->{topic}, @{$self->{properties} || []}]);

    return $self;
}


sub hex_or_dash {
    my ($bytes) = @_;

    return defined $bytes && length $bytes ? unpack('H*', $bytes) : '-';
}


# Sends all commands at once, so that Kafka gets them as one batch; returns
# [partition, offset] of each.
sub send_commands {
    my ($self, @commands) = @_;

    my $process = $self->{process};
    my @at;

    $process->say(@commands);

    for my $command (@commands) {
        my $answer = $process->answer(qr/^(ok|error)/, 30);
        croak("produce: $command: $answer")
            if $answer !~ /^ok (\d+) (\d+)$/;
        push @at, [$1, $2];
    }

    return @at;
}


# [$room, $op, $body], ...
sub rooms {
    my ($self, @pushes) = @_;

    return $self->send_commands(
        map { "room $_->[0] $_->[1] " . hex_or_dash($_->[2]) } @pushes);
}


sub room {
    my ($self, @push) = @_;

    return ($self->rooms(\@push))[0];
}


# server => id of the comet, else any
sub keys {
    my ($self, $keys, $op, $body, %opt) = @_;

    return ($self->send_commands(join(' ', 'keys', $opt{server} || '-',
        join(',', @$keys), $op, hex_or_dash($body))))[0];
}


# speed => connections per second
sub all {
    my ($self, $op, $body, %opt) = @_;

    return ($self->send_commands(join(' ', 'all', $op, $opt{speed} || 0,
        hex_or_dash($body))))[0];
}


# spare, only => connection ids, reason => text, server => id of the comet
sub kick {
    my ($self, $keys, %opt) = @_;

    return ($self->send_commands(join(' ', 'kick', $opt{server} || '-',
        join(',', @$keys), $opt{spare} || '-',
        hex_or_dash($opt{reason}), defined $opt{only} ? $opt{only} : ())))[0];
}


# Any value; partition =>, key =>, ms => the message's timestamp
sub value {
    my ($self, $value, %opt) = @_;

    return ($self->send_commands(join(' ', 'send',
        defined $opt{partition} ? $opt{partition} : '-',
        hex_or_dash($opt{key}), hex_or_dash($value), $opt{ms} || 0)))[0];
}


# The offset that a group has committed for a partition; nothing if none.
sub committed {
    my ($self, $group, $partition) = @_;

    $self->{process}->say("committed $group $partition");
    my $answer = $self->{process}->answer(qr/^committed /, 30);
    my ($offset) = $answer =~ /^committed (\d+)$/;

    return $offset;
}


# Numbers to a room, or to each of several rooms:
# first => 1, count => 1000, rate => a second, 0: at once, size => of a body,
# op => 1000.  Returns what finished() and wait_stream() want.
sub stream {
    my ($self, $rooms, %opt) = @_;

    my %of = (first => 1, count => 1000, rate => 0, size => 8, op => 1000,
              %opt);
    my $name = 's' . ++$streams;

    $self->{process}->say(join(' ', 'stream', $name,
        join(',', ref $rooms ? @$rooms : $rooms),
        @of{qw(op first count rate size)}));

    return $name;
}


# Whether all of a stream was acknowledged.
sub finished {
    my ($self, $name) = @_;

    my $lines = $self->{process}{lines};

    return scalar grep { /^streamed $name / } @$lines;
}


# How many numbers it sent; dies if any was refused.
sub wait_stream {
    my ($self, $name, $seconds) = @_;

    my $answer = $self->{process}->answer(qr/^streamed $name /,
                                          $seconds || 60);
    my (undef, undef, $sent, $failed) = split(/ /, $answer);

    croak("produce: $failed messages of a stream failed") if $failed;

    return $sent;
}


# Ends all streams where they are.
sub stop_streams {
    my ($self) = @_;

    $self->{process}->say('stop');
}


sub stop {
    my ($self) = @_;

    return $self->{process}->stop;
}


1;
