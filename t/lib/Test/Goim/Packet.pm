# goim's packets and WebSocket frames as bytes, by hand from the protocols'
# texts: an implementation of its own to hold the module's against.

package Test::Goim::Packet;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(
    packet parse_packets frame unhex
    OP_HEARTBEAT OP_HEARTBEAT_REPLY OP_AUTH OP_AUTH_REPLY OP_RAW
    WS_TEXT WS_BINARY WS_CLOSE WS_PING WS_PONG
);

use constant {
    OP_HEARTBEAT => 2, OP_HEARTBEAT_REPLY => 3,
    OP_AUTH => 7, OP_AUTH_REPLY => 8, OP_RAW => 9,
    WS_TEXT => 1, WS_BINARY => 2, WS_CLOSE => 8, WS_PING => 9, WS_PONG => 10,
};


sub packet {
    my ($op, $body, %opt) = @_;

    $body = '' if !defined $body;

    return pack('N n n N N', 16 + length $body, 16,
                defined $opt{ver} ? $opt{ver} : 1, $op & 0xffffffff,
                (defined $opt{seq} ? $opt{seq} : 1) & 0xffffffff) . $body;
}


# All packets that stand one after another in $bytes from $at on; dies of
# bytes that are none.
sub parse_packets {
    my ($bytes, $at) = @_;

    my @packets;
    my $end = length $bytes;

    while ($at < $end) {
        die "a packet's header is cut off\n" if $end - $at < 16;

        my ($len, $header, $ver, $op, $seq)
            = unpack('N n n l> l>', substr($bytes, $at, 16));

        die "header length $header\n" if $header != 16;
        die "packet length $len where " . ($end - $at) . " bytes are left\n"
            if $len < 16 || $len > $end - $at;

        push @packets, { ver => $ver, op => $op, seq => $seq,
                         body => substr($bytes, $at + 16, $len - 16) };
        $at += $len;
    }

    return @packets;
}


# A client's frame: masked, unless mask => undef or four bytes are given.
sub frame {
    my ($opcode, $payload, %opt) = @_;

    my $fin = defined $opt{fin} ? $opt{fin} : 1;
    my $len = length $payload;
    my $mask = exists $opt{mask} ? $opt{mask} : pack('N', rand 2 ** 32);
    my $masked = defined $mask ? 0x80 : 0;
    my $head = chr(($fin ? 0x80 : 0) | $opcode | ($opt{rsv} || 0));

    if ($len < 126) {
        $head .= chr($masked | $len);

    } elsif ($len < 65536) {
        $head .= pack('C n', $masked | 126, $len);

    } else {
        $head .= pack('C Q>', $masked | 127, $len);
    }

    return $head . $payload if !$masked;

    return $head . $mask
        . ($payload ^ substr($mask x ($len / 4 + 1), 0, $len));
}


# Hex digits with white space between them.
sub unhex {
    my ($text) = @_;

    $text =~ s/\s+//g;

    return pack('H*', $text);
}


1;
