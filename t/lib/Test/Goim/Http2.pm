# As much of an HTTP/2 client as asks for a path and tells the status.

package Test::Goim::Http2;

use strict;
use warnings;

use IO::Socket::INET;


# A connection in clear, settings and all (RFC 9113, 3.4).
sub new {
    my ($class, $port) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60)
        || die "connect: $!";

    $socket->syswrite("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, ''));

    return bless { socket => $socket, stream => -1 }, $class;
}


sub frame {
    my ($type, $flags, $stream, $data) = @_;

    return substr(pack('N', length($data)), 1)
        . pack('CCN', $type, $flags, $stream) . $data;
}


# The status of the answer, or "end"; the body is in body().  The request's
# HPACK needs no table: :method GET, :scheme http, :path, :authority.
sub ask {
    my ($self, $path) = @_;

    my $stream = $self->{stream} += 2;
    my $status;

    $self->{body} = '';
    $self->{socket}->syswrite(
        frame(1, 5, $stream, "\x82\x86\x04" . chr(length $path)
              . "$path\x01\x01x"));

    while (1) {
        my ($type, $flags, $id, $data) = $self->answer or return 'end';

        next if $id != $stream;

        $status = status($data) if $type == 1;
        $self->{body} .= $data if $type == 0;

        return $status if $flags & 1;
    }
}


sub body { return $_[0]{body} }


# nginx's HPACK has the common ones in its static table, others as a literal.
sub status {
    my ($data) = @_;

    my $first = ord($data);
    my %indexed = (0x88 => 200, 0x8c => 400, 0x8d => 404, 0x8e => 500);

    return $indexed{$first} || substr($data, 2, 3);
}


sub answer {
    my ($self) = @_;

    my $head = $self->more(9);
    return if length($head) < 9;

    my ($length, $type, $flags, $id) = unpack('NCCN', "\0$head");

    return ($type, $flags, $id, $self->more($length));
}


sub more {
    my ($self, $n) = @_;

    my $got = '';

    while (length($got) < $n) {
        sysread($self->{socket}, $got, $n - length($got), length($got))
            or last;
    }

    return $got;
}


1;
