# A WebSocket server that does what a comet never would: says nothing, or
# sends what is no packet.  It answers handshakes, collects the packets that
# come, and sends what it is told to.

package Test::Goim::FakeComet;

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::INET;

use Test::Goim::Loop qw(watch wait_until);


# handshake => 0: connections are taken and nothing is ever said;
# answers => 0: no operation 8 to an operation 7.
sub new {
    my ($class, %opt) = @_;

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 16)
        or croak("listen: $@");
    my $self = bless { handshake => 1, answers => 1, clients => [], %opt,
                       socket => $listener }, $class;

    $listener->blocking(0);
    watch($listener, $self);

    return $self;
}


sub url { return 'ws://127.0.0.1:' . $_[0]{socket}->sockport . '/sub' }


sub on_readable {
    my ($self) = @_;

    my $socket = $self->{socket}->accept or return;

    push @{$self->{clients}},
        Test::Goim::FakeComet::Client->new($socket, $self);
}


# The next connection, once its client has sent an auth packet, or has come at
# all if there are no handshakes.
sub next_client {
    my ($self) = @_;

    return wait_until(15, 'a client', sub {
        my $client = $self->{clients}[0] or return;
        return if $self->{handshake} && !@{$client->{packets}};
        return shift @{$self->{clients}};
    });
}


package Test::Goim::FakeComet::Client;

use Digest::SHA qw(sha1_base64);

use Test::Goim::Loop qw(watch unwatch wait_until);
use Test::Goim::Packet qw(frame packet parse_packets);


sub new {
    my ($class, $socket, $server) = @_;

    my $self = bless { socket => $socket, server => $server, in => '',
                       packets => [] }, $class;

    $socket->blocking(0);
    watch($socket, $self);

    return $self;
}


sub on_readable {
    my ($self) = @_;

    my $n = sysread($self->{socket}, $self->{in}, 65536, length $self->{in});

    if (!$n) {
        return if !defined $n && ($!{EAGAIN} || $!{EINTR});
        $self->end;
        return;
    }

    return if !$self->{server}{handshake};

    $self->take_handshake if !$self->{upgraded};
    1 while $self->{upgraded} && $self->take_frame;
}


sub take_handshake {
    my ($self) = @_;

    my ($key) = $self->{in} =~ /^Sec-WebSocket-Key: *(\S+)\r\n/mi;
    return if $self->{in} !~ s/^.*?\r\n\r\n//s;

    my $accept = sha1_base64(
        $key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';

    $self->send_bytes("HTTP/1.1 101 Switching Protocols\r\n"
        . "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Accept: $accept\r\n\r\n");
    $self->{upgraded} = 1;
}


# A client's frames are masked, whole and below 64 KB here.
sub take_frame {
    my ($self) = @_;

    my ($first, $len) = unpack('C2', $self->{in});
    my $at = 2;

    return if !defined $len;

    if (($len &= 0x7f) == 126) {
        return if length $self->{in} < 4;
        $len = unpack('n', substr($self->{in}, 2, 2));
        $at = 4;
    }

    return if length $self->{in} < $at + 4 + $len;

    my $mask = substr($self->{in}, $at, 4);
    my $payload = substr($self->{in}, $at + 4, $len)
        ^ substr($mask x ($len / 4 + 1), 0, $len);

    substr($self->{in}, 0, $at + 4 + $len, '');

    if (($first & 15) == 8) {
        $self->{close_code} = unpack('n', $payload);
        $self->end;
        return;
    }

    my ($packet) = parse_packets($payload, 0);
    push @{$self->{packets}}, $packet;
    $self->send_packet(8, '', seq => $packet->{seq})
        if $packet->{op} == 7 && $self->{server}{answers};

    return 1;
}


# The next packet with this operation.
sub next_packet {
    my ($self, $op) = @_;

    my $packets = $self->{packets};

    return wait_until(15, "operation $op", sub {
        my ($i) = grep { $packets->[$_]{op} == $op } 0 .. $#$packets;
        return defined $i ? splice(@$packets, $i, 1) : undef;
    });
}


sub send_packet {
    my ($self, @packet) = @_;

    $self->send_message(packet(@packet));
}


sub send_message {
    my ($self, $bytes, $opcode) = @_;

    $self->send_bytes(frame($opcode || 2, $bytes, mask => undef));
}


sub send_bytes {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    syswrite($self->{socket}, $bytes) if $self->{socket};
}


# The code of the client's close frame.
sub close_code {
    my ($self) = @_;

    return wait_until(15, 'a close frame', sub { $self->{close_code} });
}


sub has_ended {
    my ($self) = @_;

    return wait_until(15, undef, sub { !$self->{socket} });
}


sub end {
    my ($self) = @_;

    return if !$self->{socket};

    unwatch($self->{socket});
    close(delete $self->{socket});
}


1;
