# A WebSocket client that knows frames and nothing of goim: what it was sent
# is kept as one line of text, to be compared with what RFC 6455 wants.
#
#     my $goim = echo_host();
#     conforms($goim, 'a short text', [frame(WS_TEXT, 'Hello')],
#              [text('Hello'), closed(1000)]);

package Test::Goim::FrameClient;

use strict;
use warnings;

use parent -norequire, 'Test::Goim::Client';

use Carp qw(croak);
use Digest::MD5 qw(md5_hex);
use Exporter qw(import);
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::Builder;

use Test::Goim::Client;
use Test::Goim::Loop qw(turn wait_until);
use Test::Goim::Packet qw(frame WS_TEXT WS_BINARY WS_CLOSE WS_PING WS_PONG);

our @EXPORT_OK = qw(
    echo_host plain_host conforms counts text binary pong closed);

my %names = (WS_TEXT, 'text', WS_BINARY, 'binary', WS_CLOSE, 'close',
             WS_PING, 'ping', WS_PONG, 'pong');

# goim_identity, so that no packet is needed
my $locations = <<'CONF';
location /sub {
    goim;
    goim_identity key=$arg_key mid=1;
    %%location%%
}
location = /goim/status { goim_status; }
CONF


# A host whose module echoes (make WS_ECHO=1), with messages up to 16 MB.
sub echo_host {
    return Test::Goim->new(
        echo => 1, workers => 1, kafka => 0, auth => 0,
        locations => $locations, location => 'goim_max_packet 16m;',
        @_)->start;
}


# The module as it is served.
sub plain_host {
    return Test::Goim->new(workers => 1, kafka => 0, auth => 0,
                           locations => $locations, @_)->start;
}


sub connect_socket {
    my ($self) = @_;

    my $socket = $self->SUPER::connect_socket;
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1)
        or croak("TCP_NODELAY: $!");

    return $socket;
}


# A frame as a word.
sub said {
    my ($name, $payload) = @_;

    return "$name(" . length($payload) . ' bytes, ' . md5_hex($payload) . ')'
        if length $payload > 64;

    $payload =~ s/([^ -~])/sprintf('\\x%02x', ord $1)/ge;

    return "$name($payload)";
}


sub text { return said('text', $_[0]) }
sub binary { return said('binary', $_[0]) }
sub pong { return said('pong', $_[0]) }
sub closed { return "close($_[0])" }


sub take_frame {
    my ($self, $first, $payload) = @_;

    my $name = $names{$first & 0x0f};

    $self->violation(sprintf('a frame beginning with 0x%02x', $first))
        if ($first & 0xf0) != 0x80 || !$name;
    $self->violation("$name behind a close frame") if $self->{close_code};

    if (($first & 0x0f) != WS_CLOSE) {
        push @{$self->{said}}, said($name, $payload);
        return;
    }

    $self->violation('a close frame without a code') if length $payload < 2;
    $self->{close_code} = unpack('n', $payload);
    push @{$self->{said}}, closed($self->{close_code});

    $self->send_frame(WS_CLOSE, substr($payload, 0, 2))
        if !$self->{mute} && !$self->{close_sent};
}


# Bytes that the server gets before anything later: another connection has
# had its answer meanwhile.
sub send_alone {
    my ($self, $bytes, $other) = @_;

    $self->send_bytes($bytes);
    wait_until(10, 'bytes to be sent', sub { !length $self->{out} });
    $other->round_trip;

    return $self;
}


# A ping of its own, and its pong.
sub round_trip {
    my ($self) = @_;

    my $payload = 'round trip ' . ++$self->{trips};

    $self->response;
    $self->send_frame(WS_PING, $payload);
    wait_until(10, "the pong of $payload", sub {
        my $said = $self->{said} || [];
        my $n = @$said;

        $self->{said} = [grep { $_ ne pong($payload) } @$said];

        return @{$self->{said}} < $n;
    });

    return $self;
}


# Waits for the end: all that the server said, and how it ended.
sub transcript {
    my ($self, $seconds) = @_;

    wait_until($seconds || 20, undef, sub { !$self->{socket} });

    return join(' ', @{$self->{said} || []}, $self->{how} || 'still open');
}


sub open_on {
    my ($goim, %opt) = @_;

    my $client = $goim->connect_ws(
        class => __PACKAGE__, path => '/sub' . ($opt{query} || ''),
        %{$opt{client} || {}});

    $client->response->{status} == 101 or croak('no WebSocket');

    return $client;
}


# A check: sends parts, then a close frame, and compares.  by => 'bytes' or
# 'parts': each arrives alone; without, all at once.  end => 0: no close frame
# is added.
sub conforms {
    my ($goim, $name, $parts, $expected, %opt) = @_;

    my $client = open_on($goim, %opt);
    my @pieces = !$opt{by} ? join('', @$parts)
        : $opt{by} eq 'parts' ? @$parts
        : map { split(//, $_) } @$parts;

    my $other = $opt{by} && ($goim->{other} ||= open_on($goim));

    $client->{close_sent} = 1;
    $client->send_alone($_, $other) for $opt{by} ? @pieces : ();
    $client->send_bytes($_) for $opt{by} ? () : @pieces;
    $client->close_politely if !exists $opt{end} || $opt{end};

    return Test::Builder->new->is_eq($client->transcript($opt{seconds}),
                                     join(' ', @$expected, 'eof'), $name);
}


# A check of a counter, which goes up when the client's end has been noticed.
sub counts {
    my ($goim, $counter, $n, $name) = @_;

    my $now = -1;

    wait_until(10, undef, sub {
        return ($now = $goim->status->{total}{$counter}) == $n;
    });

    return Test::Builder->new->is_num($now, $n, $name);
}


1;
