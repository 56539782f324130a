# The JavaScript client in a node of its own: methods are called, results and
# events taken from here.  Nothing may go wrong in it that it does not say:
# what nobody has caught counts as a violation.

package Test::Goim::JsClient;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Process;

my $script = abs_path(dirname(__FILE__) . '/../../../js/client.mjs');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $started = 0;


# url, dir; options => the client's, where tokens => [...] are what a function
# gives one after the other, and gaps => 1 has it listen to "gap".
sub new {
    my ($class, %opt) = @_;

    my $name = 'js-' . ++$started;
    my $self = bless { name => $name, id => 0 }, $class;

    $self->{process} = Test::Goim::Process->new(
        name => $name, dir => $opt{dir}, pipe => 1,
        out => "$opt{dir}/$name.err",
        argv => ['node', $script, $opt{url},
                 $json->encode($opt{options} || {})]);
    $self->{process}->answer(qr/^ready /, 30);

    return $self;
}


# Calls a method; its id is what result() wants.
sub call {
    my ($self, $method, @args) = @_;

    my $id = ++$self->{id};
    $self->{process}->say($json->encode([$id, $method, @args]));

    return $id;
}


# { value => ... } or { error => { name, code, message, answer } }.
sub result {
    my ($self, $id, $seconds) = @_;

    my $line = $self->{process}->answer(qr/^result $id /, $seconds || 15);

    return $json->decode($line =~ /^result \d+ (.*)/);
}


sub ask {
    my ($self, $method, @args) = @_;

    return $self->result($self->call($method, @args));
}


# The next event of this name; those of others wait for their askers.
sub event {
    my ($self, $name, $seconds) = @_;

    my $line = $self->{process}->answer(qr/^$name /, $seconds || 15);

    return $json->decode($line =~ /^\w+ (.*)/);
}


# How many events of this name nobody has taken yet.
sub waiting {
    my ($self, $name) = @_;

    return scalar grep { /^$name / } @{$self->{process}{lines}};
}


# Connected when it returns.
sub connected {
    my ($self) = @_;

    $self->ask('connect');
    $self->event('open');

    return $self;
}


sub next_text {
    my ($self, $seconds) = @_;

    return $self->event('message', $seconds)->{text};
}


# Whether nothing but the test has kept the process.
sub ends_by_itself {
    my ($self) = @_;

    $self->call('letGo');

    return $self->{process}->wait(15) && $self->{process}->status == 0;
}


sub stop {
    my ($self) = @_;

    push @Test::Goim::Client::violations,
        map { "$self->{name}: $_" }
        grep { /^(uncaught|unhandled) / } @{$self->{process}{lines}};

    return $self->{process}->stop;
}


1;
