# A real Redis server for a test, with commands for it; it may be stopped,
# killed and started again on the same port.

package Test::Goim::Redis;

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::INET;
use IO::Socket::UNIX;

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Process;
use Test::Goim::Util qw(reserve_ports slurp);

use constant BINARY => '/usr/bin/redis-server';

my $count = 0;


# dir; options => [ '--requirepass', 'x' ]; unix => 1: on a socket, no port
sub new {
    my ($class, %opt) = @_;

    my $self = bless { options => [], n => ++$count, %opt }, $class;

    $self->{folder} = "$self->{dir}/redis$self->{n}";
    mkdir($self->{folder}) or croak("$self->{folder}: $!");
    $self->{log} = "$self->{folder}.log";
    $self->{port} = $self->{unix} ? 0 : reserve_ports(1);

    return $self;
}


# As goim-logic's setting has it.
sub address {
    my ($self) = @_;

    return $self->{unix} ? "unix:$self->{folder}/socket"
                         : "127.0.0.1:$self->{port}";
}


sub start {
    my ($self, @options) = @_;

    my @own = $self->{unix} ? ('--unixsocket', "$self->{folder}/socket")
                            : ('--bind', '127.0.0.1');

    $self->{process} = Test::Goim::Process->new(
        name => "redis $self->{n}", dir => $self->{dir}, out => $self->{log},
        argv => [BINARY, '--port', $self->{port}, '--save', '',
                 '--dir', $self->{folder}, @own, @{$self->{options}},
                 @options]);

    wait_until(15, 'Redis to start', sub {
        croak('Redis ended: ' . slurp($self->{log}))
            if !$self->{process}->alive;

        # one that loads or asks for a password is there as well
        return eval { $self->command('PING'); 1 } || $@ =~ /^-/;
    });

    return $self;
}


sub process { return $_[0]{process} }
sub pid { return $_[0]{process}->pid }
sub alive { return $_[0]{process} && $_[0]{process}->alive }


# SIGSTOP and SIGCONT.
sub freeze { $_[0]{process}->kill('STOP') }
sub thaw { $_[0]{process}->kill('CONT') }


sub kill9 {
    my ($self) = @_;

    $self->{process}->kill('KILL');
    $self->{process}->wait(10) or croak('Redis survives SIGKILL');
}


sub stop {
    my ($self) = @_;

    return if !$self->{process};

    $self->thaw;
    $self->{process}->stop;
}


# One command; its answer as text, an array as a list reference, nil as undef.
# Dies of an error, which begins with "-".  Of a connection of its own.
sub command {
    my ($self, @args) = @_;

    my $socket = $self->{unix}
        ? IO::Socket::UNIX->new(Peer => "$self->{folder}/socket")
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                PeerPort => $self->{port});
    croak("no connection: $!") if !$socket;

    for my $words ($self->{login} ? ['AUTH', @{$self->{login}}] : (),
                   [@args])
    {
        my $text = '*' . @$words . "\r\n";
        $text .= '$' . length($_) . "\r\n$_\r\n" for @$words;
        syswrite($socket, $text) == length($text) or croak("write: $!");

        my $answer = answer($socket);
        return $answer if $words->[0] ne 'AUTH' || $args[0] eq 'AUTH';
    }
}


sub answer {
    my ($socket) = @_;

    local $/ = "\r\n";
    my $line = <$socket>;
    die "Redis closed\n" if !defined $line;
    chomp($line);

    my ($kind, $rest) = $line =~ /^(.)(.*)$/s;

    die "$line\n" if $kind eq '-';
    return $rest if $kind eq '+' || $kind eq ':';
    return if $rest < 0;
    return [map { scalar answer($socket) } 1 .. $rest] if $kind eq '*';

    read($socket, my $data, $rest + 2) == $rest + 2 or die "Redis closed\n";

    return substr($data, 0, $rest);
}


# A hash's fields and values.
sub hash {
    my ($self, $key) = @_;

    return { @{$self->command('HGETALL', $key)} };
}


1;
