# The service behind goim_auth, goim_publish and goim_session, as a process of
# its own: any token that is a JSON object in goim's form is welcome, and says
# itself what is to be answered.
#
# From the token: mid, key (else one is made), room_id, accepts, goim.  And from
# an object "test" in it: status (default 200), delay in seconds, heartbeat,
# headers { name => value or null to leave out }.
#
# A token may also come as the cookie "token", in URL encoding, for
# auth_request; that is how /identity is asked.
#
# A message to /publish is answered {"code":0}, unless it is a JSON object with
# status, delay, answer (text), missing (bytes of it that never come).  A report
# to /session is answered as the test has said last by session(): the same.

package Test::Goim::Auth;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR);
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(time);

use Test::Goim::Process;
use Test::Goim::Util qw(slurp spew);

my $json = JSON::PP->new->canonical->allow_nonref;


sub new {
    my ($class, %opt) = @_;

    (my $lib = $INC{'Test/Goim/Auth.pm'}) =~ s{/Test/Goim/Auth\.pm$}{};

    my $process = Test::Goim::Process->new(
        name => 'auth', dir => $opt{dir}, pipe => 1,
        out => "$opt{dir}/auth.err",
        argv => [$^X, "-I$lib", '-MTest::Goim::Auth', '-e',
                 'Test::Goim::Auth::serve(@ARGV)', $opt{dir}]);

    my ($port) = $process->answer(qr/^port /) =~ /(\d+)/;

    return bless { process => $process, port => $port, dir => $opt{dir} },
        $class;
}


sub port { return $_[0]{port} }


# What was asked so far: { method, path, headers, body }, names of headers in
# lower case.
sub requests {
    my ($self) = @_;

    # the last line may still be being written
    return map { $json->decode($_) }
        slurp("$self->{dir}/auth.requests") =~ /^(.+)\n/mg;
}


# The bodies of requests to a path.
sub bodies {
    my ($self, $path) = @_;

    return map { $_->{body} } grep { $_->{path} eq $path } $self->requests;
}


# How reports to /session are answered from now on.
sub session {
    my ($self, %answer) = @_;

    spew("$self->{dir}/auth.session.new", $json->encode(\%answer));
    rename("$self->{dir}/auth.session.new", "$self->{dir}/auth.session")
        or die "auth.session: $!";
}


sub stop {
    my ($self) = @_;

    return $self->{process}->stop;
}


# --- in the process

sub serve {
    my ($dir) = @_;

    my $listener = IO::Socket::INET->new(
        Proto => 'tcp', LocalAddr => '127.0.0.1', Listen => 1024)
        or die "listen: $@";
    $listener->blocking(0);

    open(my $log, '>>:raw', "$dir/auth.requests")
        or die "auth.requests: $!";
    $log->autoflush(1);
    $| = 1;
    print 'port ' . $listener->sockport . "\n";

    my (%clients, @later);

    while (1) {
        my $mask = '';
        vec($mask, fileno($_), 1) = 1
            for $listener, \*STDIN, map { $_->{socket} } values %clients;

        @later = sort { $a->[0] <=> $b->[0] } @later;
        my $wait = @later ? $later[0][0] - time : 60;
        my $n = select(my $ready = $mask, undef, undef, $wait < 0 ? 0 : $wait);

        while (@later && $later[0][0] <= time) {
            my (undef, $client, $answer) = @{shift @later};
            send_answer($client, $answer);
        }

        next if $n <= 0;

        # the test has ended
        return if vec($ready, fileno(STDIN), 1);

        while (my $socket = $listener->accept) {
            $socket->blocking(0);
            $clients{fileno $socket} = { socket => $socket, in => '' };
        }

        for my $fd (keys %clients) {
            next if !vec($ready, $fd, 1);

            my $client = $clients{$fd};
            my $got = sysread($client->{socket}, $client->{in}, 65536,
                              length $client->{in});

            if (!$got) {
                next if !defined $got && ($! == EAGAIN || $! == EINTR);
                close($client->{socket});
                delete $clients{$fd};
                next;
            }

            while (my $request = take_request($client)) {
                print $log $json->encode($request), "\n";
                my ($delay, $answer) = answer($request, $dir);
                $delay ? push @later, [time + $delay, $client, $answer]
                       : send_answer($client, $answer);
            }
        }
    }
}


sub take_request {
    my ($client) = @_;

    my $end = index($client->{in}, "\r\n\r\n");
    return if $end < 0;

    my ($line, @lines)
        = split(/\r\n/, substr($client->{in}, 0, $end));
    my %headers = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () } @lines;
    my $length = $headers{'content-length'} || 0;

    return if length $client->{in} < $end + 4 + $length;

    my ($method, $path) = split(/ /, $line);
    my $body = substr($client->{in}, $end + 4, $length);
    substr($client->{in}, 0, $end + 4 + $length, '');

    return { method => $method, path => $path, headers => \%headers,
             body => $body };
}


sub answer {
    my ($request, $dir) = @_;

    my $text = $request->{body};

    return told($text, '{"code":0}') if $request->{path} eq '/publish';
    return told(slurp("$dir/auth.session"), '')
        if $request->{path} eq '/session';

    if (!length $text
        && ($request->{headers}{cookie} || '') =~ /\btoken=([^;\s]*)/)
    {
        ($text = $1) =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
    }

    my $token = eval { $json->decode($text) };
    return (0, { status => 403 }) if ref $token ne 'HASH';

    my $test = $token->{test} || {};
    my %headers = (
        'X-Goim-Mid' => $token->{mid} || 0,
        'X-Goim-Key' => length($token->{key} || '')
            ? $token->{key} : sprintf('key-%d-%08x', time, rand 2 ** 32),
        'X-Goim-Room' => $token->{room_id},
        'X-Goim-Accepts' => $token->{accepts}
            ? join(',', @{$token->{accepts}}) : undef,
        'X-Goim-Heartbeat' => $test->{heartbeat} || 600,
        'X-Goim-Features' => ref $token->{goim} eq 'HASH'
            ? join(', ', grep { $token->{goim}{$_} }
                   sort keys %{$token->{goim}}) : undef,
        %{$test->{headers} || {}},
    );

    return ($test->{delay} || 0,
            { status => $test->{status} || 200, headers => \%headers });
}


sub told {
    my ($text, $default) = @_;

    my $test = eval { $json->decode($text) };
    $test = {} if ref $test ne 'HASH';

    return ($test->{delay} || 0,
            { status => $test->{status} || 200,
              missing => $test->{missing},
              body => defined $test->{answer} ? $test->{answer} : $default });
}


sub send_answer {
    my ($client, $answer) = @_;

    my $headers = $answer->{headers} || {};
    my $body = defined $answer->{body} ? $answer->{body} : '';
    my $text = join('', "HTTP/1.1 $answer->{status} Answer\r\n",
                    'Content-Length: '
                    . (length($body) + ($answer->{missing} || 0)) . "\r\n",
                    (map { "$_: $headers->{$_}\r\n" }
                     grep { defined $headers->{$_} } sort keys %$headers),
                    "\r\n", $body);

    local $SIG{PIPE} = 'IGNORE';
    return if !defined fileno $client->{socket};

    syswrite($client->{socket}, $text);
    shutdown($client->{socket}, 1) if $answer->{missing};
}


1;
