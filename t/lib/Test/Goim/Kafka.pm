# Kafka for a test: librdkafka's mock cluster, or a real Apache Kafka.

package Test::Goim::Kafka;

use strict;
use warnings;

use Carp qw(croak);

use Test::Goim::Loop qw(patience);
use Test::Goim::Process;
use Test::Goim::Util qw(reserve_ports slurp);


# dir, tools => folder of mock_kafka, scripts => of kafka-up.sh;
# type => mock or real, brokers => 1..3, topics => { name => partitions }
sub new {
    my ($class, %opt) = @_;

    my $self = bless { type => 'mock', brokers => 1, %opt }, $class;

    return $self->{type} eq 'real' ? $self->start_real : $self->start_mock;
}


# host:port,...
sub bootstrap { return $_[0]{bootstrap} }


sub start_mock {
    my ($self) = @_;

    $self->{process} = Test::Goim::Process->new(
        name => 'mock_kafka', dir => $self->{dir}, pipe => 1,
        out => "$self->{dir}/kafka.log",
        argv => ["$self->{tools}/mock_kafka", $self->{brokers},
                 map { "$_:$self->{topics}{$_}" }
                 sort keys %{$self->{topics}}]);

    ($self->{bootstrap})
        = $self->{process}->answer(qr/^bootstrap /) =~ /bootstrap (.*)/;

    return $self;
}


# Nothing if Kafka can't be fetched; dies if it doesn't start.
sub start_real {
    my ($self) = @_;

    my $port = reserve_ports(13);

    $self->{data} = "$self->{dir}/kafka";
    mkdir($self->{data}) or croak("$self->{data}: $!");
    $self->{port} = $port;
    $self->{bootstrap} = join(',', map { '127.0.0.1:' . ($port + $_) }
                              0 .. $self->{brokers} - 1);

    return if !$self->up;
    return $self;
}


# One command of mock_kafka, see there.
sub command {
    my ($self, $command) = @_;

    $self->{process}->say($command);
    my $answer = $self->{process}->answer(qr/^(ok|error)/);
    croak("mock_kafka: $command: $answer") if $answer ne 'ok';
}


# The broker, or without a number all of a real cluster, by a signal.
sub down {
    my ($self, $which) = @_;

    return $self->command("down $which") if $self->{type} eq 'mock';
    $self->script('kafka-down.sh', $self->{data}, $which || 'KILL');
}


# Brings brokers back; real ones: all that have died.
sub up {
    my ($self, $broker) = @_;

    return $self->command("up $broker") if $self->{type} eq 'mock';

    local $ENV{TOPICS} = join(' ', map { "$_:$self->{topics}{$_}" }
                              sort keys %{$self->{topics}});
    local $ENV{KAFKA_WAIT} = 60 * patience();

    return 1 if $self->script('kafka-up.sh', $self->{data}, $self->{port},
                              $self->{brokers});

    my $text = slurp("$self->{data}/kafka-up.sh.out");

    return if $text =~ /mvn failed/;
    croak("kafka-up.sh: $text");
}


# A real cluster's topics are these from now on: new ones are made, others get
# the partitions that they lack.
sub set_topics {
    my ($self, %topics) = @_;

    $self->{topics} = { %{$self->{topics}}, %topics };

    return $self->up;
}


# Kills one broker of a real cluster; up() brings it back.
sub kill_broker {
    my ($self, $broker) = @_;

    my ($pid) = slurp("$self->{data}/broker-$broker.pid") =~ /(\d+)/
        or croak("broker $broker has no pid");
    kill('KILL', $pid) or croak("broker $broker: $!");
}


# Whether one of the scripts ended well.
sub script {
    my ($self, $name, @args) = @_;

    my $process = Test::Goim::Process->new(
        name => $name, dir => $self->{dir}, out => "$self->{data}/$name.out",
        argv => ["$self->{scripts}/$name", @args]);

    $process->wait(300) or croak("$name hangs");

    return $process->status == 0;
}


sub stop {
    my ($self) = @_;

    return $self->{process}->stop if $self->{type} eq 'mock';

    return $self->script('kafka-down.sh', $self->{data}, 'KILL');
}


1;
