# A session store: the program session_store of t/tools, with what tests say
# to it.

package Test::Goim::Store;

use strict;
use warnings;

use Carp qw(croak);

use Test::Goim::Process;
use Test::Goim::Util qw(slurp);

my $count = 0;


# dir, binary; servers => [ Test::Goim::Redis, ... ], none: in memory; all
# others are its settings.
sub new {
    my ($class, %opt) = @_;

    my $self = bless { asked => 0 }, $class;
    my $servers = delete $opt{servers};
    my ($dir, $binary) = delete @opt{qw(dir binary)};

    $opt{servers} = join(',', map { ref $_ ? $_->address : $_ } @$servers)
        if $servers;

    # the test's patience, not the store's, is for slow machines
    $opt{timeout} ||= 2000;

    $self->{log} = "$dir/store" . ++$count . '.log';
    $self->{process} = Test::Goim::Process->new(
        name => 'session_store', dir => $dir, pipe => 1, out => $self->{log},
        argv => [$binary, map { "$_=$opt{$_}" } sort keys %opt]);

    return $self;
}


# Gives a command; its number.
sub give {
    my ($self, $command) = @_;

    $self->{process}->say($command);

    return ++$self->{asked};
}


# The answer to a command that was given.
sub take {
    my ($self, $number, $seconds) = @_;

    my $answer = $self->{process}->answer(qr/^$number /, $seconds);
    $answer =~ s/^\d+ //;

    return $answer;
}


sub ask {
    my ($self, $command, $seconds) = @_;

    return $self->take($self->give($command), $seconds);
}


# Until all Redis servers can be called: an id of each has been asked for.
sub ready {
    my ($self, @keys) = @_;

    $self->ask("ask $_", 30) for @keys ? @keys : 'k';

    return $self;
}


# Sends a report: head "SERVER SLOT EPOCH STATE CONNS" and lines.
sub report {
    my ($self, $head, @lines) = @_;

    return $self->ask(join('|', "report session 1 $head", @lines));
}


sub counters {
    my ($self, $server) = @_;

    return { split(/ /, $self->ask('counters ' . ($server || 0))) };
}


sub log_text { return slurp($_[0]{log}) }
sub process { return $_[0]{process} }


# In order: whether it ended well, and without a sanitizer's report.
sub end {
    my ($self) = @_;

    return 1 if $self->{ended}++;

    $self->{process}->say('end');

    if (!$self->{process}->wait(30)) {
        $self->{process}->stop('KILL');
        return 0;
    }

    my $status = $self->{process}->status;
    print STDERR slurp($self->{log}) if $status;

    return $status == 0;
}


sub kill9 {
    my ($self) = @_;

    $self->{ended} = 1;
    $self->{process}->kill('KILL');
    $self->{process}->wait(10) or croak('session_store survives SIGKILL');
}


1;
