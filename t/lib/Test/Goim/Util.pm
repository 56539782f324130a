# Small things that several parts of the harness need: files, ports that
# nobody else uses, and one HTTP request.

package Test::Goim::Util;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use IO::Socket::INET;

use Test::Goim::Loop qw(wait_until);

our @EXPORT_OK = qw(
    slurp spew write_over tail which_file reserve_ports free_udp http_request
    parse_answer);

my %reservations;


sub slurp {
    my ($path) = @_;

    open(my $fh, '<:raw', $path) or return '';
    local $/;

    my $text = <$fh>;

    return defined $text ? $text : '';
}


sub spew {
    my ($path, $text) = @_;

    open(my $fh, '>:raw', $path) or croak("$path: $!");
    print $fh $text;
    close($fh) or croak("$path: $!");
}


# Writes all over a file, without making it shorter on the way.
sub write_over {
    my ($path, $byte) = @_;

    open(my $file, '+<:raw', $path) or croak("$path: $!");
    syswrite($file, $byte x (-s $path)) == -s $path or croak("$path: $!");
}


sub tail {
    my ($path, $lines) = @_;

    my @all = split(/\n/, slurp($path));
    splice(@all, 0, @all - $lines) if @all > $lines;

    return join("\n", @all);
}


# The first of several files that exists.
sub which_file {
    return (grep { -f } @_)[0];
}


# The first of $n ports in a row that are nobody's.  They lie below what the
# kernel gives to outgoing connections, and a UDP socket on each tells the
# other tests that run at the same time.
sub reserve_ports {
    my ($n) = @_;

    for (1 .. 1000) {
        my $first = 16000 + int(rand(16000 - $n));
        my @held;

        for my $port ($first .. $first + $n - 1) {
            my $udp = IO::Socket::INET->new(
                Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => $port);
            my $tcp = $udp && IO::Socket::INET->new(
                Proto => 'tcp', LocalAddr => '127.0.0.1', LocalPort => $port,
                Listen => 1, ReuseAddr => 1);

            last if !$tcp;
            push @held, [$port, $udp];
        }

        if (@held == $n) {
            $reservations{$_->[0]} = $_->[1] for @held;
            return $first;
        }
    }

    croak('no free ports');
}


# Gives the UDP side of a port away, to who needs it itself.
sub free_udp {
    my ($port) = @_;

    delete $reservations{$port};
}


# One HTTP/1.0 request; the answer as { status, headers, body }, the names of
# headers in lower case.  Nothing if the server closes without one.
sub http_request {
    my ($port, $path, %opt) = @_;

    my $socket = IO::Socket::INET->new(
        Proto => 'tcp', PeerAddr => '127.0.0.1', PeerPort => $port)
        or return;
    $socket->blocking(0);

    my $request = $opt{request};

    if (!defined $request) {
        my $body = defined $opt{body} ? $opt{body} : '';
        my $method = $opt{method} || 'GET';

        $request = "$method $path HTTP/1.0\r\nHost: localhost\r\n";
        $request .= "$_: $opt{headers}{$_}\r\n" for keys %{$opt{headers}};
        $request .= 'Content-Length: ' . length($body) . "\r\n"
            if length $body;
        $request .= "\r\n$body";
    }

    syswrite($socket, $request);

    my $answer = '';
    my $ended = wait_until(10, undef, sub {
        while (1) {
            my $n = sysread($socket, $answer, 65536, length $answer);
            return defined $n || !$!{EAGAIN} if !$n;
        }
    });

    return if !$ended || $answer !~ m{^HTTP/1\.[01] (\d+)};

    return parse_answer($answer);
}


sub parse_answer {
    my ($text) = @_;

    my ($head, $body) = split(/\r\n\r\n/, $text, 2);
    my ($line, @lines) = split(/\r\n/, $head);
    my ($status) = $line =~ m{^HTTP/1\.[01] (\d+)};

    my %headers = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () } @lines;

    return { status => $status, line => $line, headers => \%headers,
             body => $body, raw => $text };
}


1;
