# A client of goim's TCP protocol: as Test::Goim::Client, with packets in place
# of frames.

package Test::Goim::TcpClient;

use strict;
use warnings;

use parent -norequire, 'Test::Goim::Client';

use Test::Goim::Client;
use Test::Goim::Packet qw(packet parse_packets OP_AUTH OP_AUTH_REPLY);

# what answers a request; everything else was pushed
my %reply = map { $_ => 1 } 3, 5, OP_AUTH_REPLY, 13, 15, 17;


# As Test::Goim::Client's; there is no handshake, so the token goes first.
sub new {
    my ($class, %opt) = @_;

    my $token = delete $opt{token};
    my $self = $class->SUPER::new(%opt, request => '');

    $self->send_auth($token) if defined $token;

    return $self;
}


sub on_writable {
    my ($self) = @_;

    $self->{state} = 'open' if $self->{state} eq 'connecting';

    return $self->SUPER::on_writable;
}


sub send_packet {
    my ($self, $op, $body, %opt) = @_;

    return $self->send_bytes(packet($op, $body, %opt));
}


sub response { return }


sub take_frames {
    my ($self) = @_;

    my $at = 0;

    while (length($self->{in}) - $at >= 16) {
        my $len = unpack('N', substr($self->{in}, $at, 4));

        return $self->violation("a packet of $len bytes") if $len < 16;
        last if length($self->{in}) - $at < $len;

        $self->take_one(parse_packets(substr($self->{in}, $at, $len), 0));
        $at += $len;
    }

    substr($self->{in}, 0, $at, '') if $at;
}


sub take_one {
    my ($self, $packet) = @_;

    $packet->{pushed} = !$reply{$packet->{op}};
    $packet->{after} = $self->{last};

    if ($packet->{pushed} && $self->{numbers} && $packet->{body} =~ /^\d+$/) {
        return $self->take_number($packet->{body} + 0);
    }

    $self->{authenticated} = 1 if $packet->{op} == OP_AUTH_REPLY;
    push @{$self->{packets}}, $packet;
}


1;
