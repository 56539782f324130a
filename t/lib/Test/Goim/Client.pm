# A WebSocket client that speaks goim, one of many in the test's loop: it
# takes what arrives at any time and keeps it until it is asked for.

package Test::Goim::Client;

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA qw(sha1_base64);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Socket qw(
    SOL_SOCKET SO_RCVBUF SO_LINGER AF_INET AF_INET6 AF_UNIX SOCK_STREAM
    pack_sockaddr_in pack_sockaddr_in6 pack_sockaddr_un inet_pton
    sockaddr_family unpack_sockaddr_in unpack_sockaddr_in6
);
use Time::HiRes qw(time);

use Test::Goim::Loop qw(watch unwatch want_write turn wait_until);
use Test::Goim::Packet qw(
    packet parse_packets frame OP_HEARTBEAT OP_HEARTBEAT_REPLY OP_AUTH
    OP_AUTH_REPLY OP_RAW WS_BINARY WS_CLOSE WS_PING WS_PONG);
use Test::Goim::Util qw(parse_answer);

my $json = JSON::PP->new->canonical;

# what servers did that the protocols forbid, over all clients
our @violations;


# port, and host => address if not 127.0.0.1; or unix => path;
#     or socket => a handle that is connected already
# preface => bytes in front of all others
# path, headers => { name => value or undef to leave out }, or request => all
#     bytes of the handshake
# token => auth body, text or hash: sent once the handshake is done
# rcvbuf => bytes of the socket's receive buffer
# raw => 1: bytes behind the handshake are kept as they are, for bytes()
# numbers => 1: bodies of digits are checked and counted, not kept
# on_open => called with the client when it may send
sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        path => '/sub', %opt, in => '', out => '', packets => [],
        state => 'connecting', received => 0,
        count => 0, faults => [],
    }, $class;

    $self->{socket} = $opt{socket} || $self->connect_socket;
    watch($self->{socket}, $self);
    $self->{key_sent} = encode_base64(pack('N4', map { rand 2 ** 32 } 1 .. 4),
                                      '');
    $self->send_bytes((defined $opt{preface} ? $opt{preface} : '')
                      . (defined $opt{request} ? $opt{request}
                                               : $self->handshake_text));

    return $self;
}


sub connect_socket {
    my ($self) = @_;

    my $address = $self->server_address;

    socket(my $socket, sockaddr_family($address), SOCK_STREAM, 0)
        or croak("socket: $!");
    $socket->blocking(0);

    setsockopt($socket, SOL_SOCKET, SO_RCVBUF, $self->{rcvbuf})
        if $self->{rcvbuf};

    connect($socket, $address) or $!{EINPROGRESS} or croak("connect: $!");

    return $socket;
}


sub server_address {
    my ($self) = @_;

    return pack_sockaddr_un($self->{unix}) if $self->{unix};

    my $host = $self->{host} || '127.0.0.1';

    return $host =~ /:/
        ? pack_sockaddr_in6($self->{port}, inet_pton(AF_INET6, $host))
        : pack_sockaddr_in($self->{port}, inet_pton(AF_INET, $host));
}


sub handshake_text {
    my ($self) = @_;

    my %headers = (
        'Host' => 'localhost', 'Upgrade' => 'websocket',
        'Connection' => 'Upgrade', 'Sec-WebSocket-Version' => '13',
        'Sec-WebSocket-Key' => $self->{key_sent},
        %{$self->{headers} || {}},
    );

    return join('', "GET $self->{path} HTTP/1.1\r\n",
                (map { "$_: $headers{$_}\r\n" }
                 grep { defined $headers{$_} } sort keys %headers), "\r\n");
}


# The port of our end, which tells the worker that serves us.
sub local_port {
    my ($self) = @_;

    return $self->{local_port} if !$self->{socket} || !$self->{port};

    my $address = getsockname($self->{socket});
    my $family = sockaddr_family($address);

    return if $family == AF_UNIX;

    return $self->{local_port} = $family == AF_INET6
        ? (unpack_sockaddr_in6($address))[0]
        : (unpack_sockaddr_in($address))[0];
}


# --- sending

sub send_bytes {
    my ($self, $bytes) = @_;

    return $self if !$self->{socket};

    $self->{out} .= $bytes;
    want_write($self->{socket}, 1);
    $self->on_writable if $self->{state} ne 'connecting';

    return $self;
}


sub send_frame {
    my ($self, $opcode, $payload, %opt) = @_;

    return $self->send_bytes(frame($opcode, $payload, %opt));
}


sub send_packet {
    my ($self, $op, $body, %opt) = @_;

    return $self->send_frame(WS_BINARY, packet($op, $body, %opt));
}


# --- the loop's side

sub on_writable {
    my ($self) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $self->{out}) {
        my $n = syswrite($self->{socket}, $self->{out});

        if (!defined $n) {
            return if $!{EAGAIN} || $!{ENOTCONN} || $!{EINTR};

            # the reason to close is what can still be read
            $self->{out} = '';
            last;
        }

        $self->{state} = 'handshake' if $self->{state} eq 'connecting';
        substr($self->{out}, 0, $n, '');
    }

    want_write($self->{socket}, 0);
}


sub on_readable {
    my ($self) = @_;

    my $n = sysread($self->{socket}, $self->{in}, 262144,
                    length $self->{in});

    if (!$n) {
        return if !defined $n && ($!{EAGAIN} || $!{EINTR});
        $self->gone(defined $n ? 'eof' : $!{ECONNRESET} ? 'reset' : "$!");
        return;
    }

    $self->{received} += $n;
    $self->take_handshake if $self->{state} ne 'open';
    $self->take_frames if $self->{state} eq 'open' && !$self->{raw};
}


sub gone {
    my ($self, $how) = @_;

    # an answer other than 101 may end with the connection
    if ($self->{state} eq 'refused' && !$self->{response}{body}) {
        $self->{response}{body} = $self->{in};
    }

    $self->local_port;
    unwatch($self->{socket});
    close(delete $self->{socket});

    $self->{how} = $how;
    $self->{state} = 'closed';
}


sub take_handshake {
    my ($self) = @_;

    if ($self->{state} eq 'refused') {
        $self->{response}{body} = $self->{in};
        return;
    }

    my $end = index($self->{in}, "\r\n\r\n");
    return if $end < 0;

    my $head = substr($self->{in}, 0, $end + 4, '');
    my $response = $self->{response} = parse_answer($head);

    if (($response->{status} || 0) != 101) {
        $self->{state} = 'refused';
        $response->{body} = $self->{in};
        return;
    }

    my $key = ($self->{headers} || {})->{'Sec-WebSocket-Key'}
        || $self->{key_sent};
    my $accept = sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
        . '=';

    $self->violation('a wrong Sec-WebSocket-Accept')
        if !defined $self->{request}
           && ($response->{headers}{'sec-websocket-accept'} || '')
              ne $accept;

    $self->{state} = 'open';
    $self->send_auth($self->{token}) if defined $self->{token};
    $self->{on_open}->($self) if $self->{on_open};
}


sub take_frames {
    my ($self) = @_;

    my $at = 0;
    my $have = length $self->{in};

    while ($have - $at >= 2) {
        my ($first, $len) = unpack('C C', substr($self->{in}, $at, 2));
        my $header = 2;

        if ($len == 126) {
            last if $have - $at < 4;
            $len = unpack('n', substr($self->{in}, $at + 2, 2));
            $header = 4;

        } elsif ($len == 127) {
            last if $have - $at < 10;
            $len = unpack('Q>', substr($self->{in}, $at + 2, 8));
            $header = 10;

        } elsif ($len > 127) {
            return $self->violation('a masked frame');
        }

        last if $have - $at - $header < $len;

        $self->take_frame($first,
                          substr($self->{in}, $at + $header, $len));
        $at += $header + $len;

        return if $self->{state} ne 'open';
    }

    substr($self->{in}, 0, $at, '') if $at;
}


sub take_frame {
    my ($self, $first, $payload) = @_;

    if ($first == (0x80 | WS_BINARY)) {
        $self->{frames}++;
        eval { $self->take_packets($payload); 1 } or $self->violation($@);

    } elsif ($first == (0x80 | WS_PING)) {
        $self->{pings}++;
        $self->send_frame(WS_PONG, $payload) if !$self->{mute};

    } elsif ($first == (0x80 | WS_PONG)) {
        push @{$self->{pongs}}, $payload;

    } elsif ($first == (0x80 | WS_CLOSE)) {
        $self->{close_code}
            = length $payload >= 2 ? unpack('n', $payload) : 1005;
        $self->{close_reason}
            = length $payload > 2 ? substr($payload, 2) : '';
        $self->send_frame(WS_CLOSE, substr($payload, 0, 2))
            if !$self->{mute} && !$self->{close_sent};

    } else {
        $self->violation(sprintf('a frame beginning with 0x%02x', $first));
    }
}


sub take_packets {
    my ($self, $payload) = @_;

    my ($len, undef, undef, $op) = unpack('N n n l>', $payload);

    die 'a message of ' . length($payload) . " bytes\n" if !defined $op;

    if ($op == OP_RAW) {
        die "length $len in a message of " . length($payload) . " bytes\n"
            if $len != length $payload;

        my @nested = parse_packets($payload, 16);
        my $batch = $self->{batch}++;

        for my $packet (@nested) {
            if ($self->{numbers} && $packet->{body} =~ /^\d+$/) {
                $self->take_number($packet->{body} + 0);
                next;
            }

            $packet->{pushed} = 1;
            $packet->{after} = $self->{last};
            $packet->{batch} = $batch;
            push @{$self->{packets}}, $packet;
        }

        return;
    }

    my @packets = parse_packets($payload, 0);
    die 'several packets outside of op 9' . "\n" if @packets != 1;

    $self->{authenticated} = 1 if $op == OP_AUTH_REPLY;
    push @{$self->{packets}}, @packets;
}


# Numbers are expected to go up by one, beginning with any.
sub take_number {
    my ($self, $number) = @_;

    my $last = $self->{last};

    if (!defined $last) {
        $self->{first} = $number;

    } elsif ($number != $last + 1) {
        push @{$self->{faults}}, "$number after $last"
            if @{$self->{faults}} < 10;
    }

    $self->{last} = $number;
    $self->{count}++;
}


sub violation {
    my ($self, $what) = @_;

    chomp $what;
    push @violations, $what;
}


# --- asking

# The answer to the handshake, as http_request() gives it.
sub response {
    my ($self) = @_;

    wait_until(10, 'an answer to the handshake', sub {
        return 1 if $self->{state} eq 'open' || $self->{state} eq 'closed';

        my $response = $self->{response} or return;
        my $length = $response->{headers}{'content-length'};

        return defined $length && length $response->{body} >= $length;
    });

    return $self->{response};
}


sub is_open { return $_[0]{state} eq 'open' && !$_[0]{close_code} }
sub is_closed { return $_[0]{state} eq 'closed' }
sub is_authenticated { return $_[0]{authenticated} }


sub send_auth {
    my ($self, $token) = @_;

    $token = $json->encode($token) if ref $token;

    return $self->send_packet(OP_AUTH, $token);
}


# Authenticates as a member of a room, and waits for the answer.
sub join_room {
    my ($self, $room, %token) = @_;

    return $self->auth({ room_id => $room, %token });
}


sub auth {
    my ($self, $token) = @_;

    $self->response;
    $self->send_auth($token) if defined $token;

    $self->reply(OP_AUTH_REPLY)
        or croak('no answer to the authentication');

    return $self;
}


# The next packet that is no push, taken out of the order of arrival.
sub reply {
    my ($self, $op, $seconds) = @_;

    return $self->take(sub { !$_[0]{pushed} && $_[0]{op} == $op },
                       $seconds);
}


sub take {
    my ($self, $wanted, $seconds) = @_;

    my $packet;

    wait_until($seconds || 10, undef, sub {
        my $packets = $self->{packets};

        for my $i (0 .. $#$packets) {
            next if !$wanted->($packets->[$i]);
            $packet = splice(@$packets, $i, 1);
            last;
        }

        return $packet || $self->is_closed;
    });

    return $packet;
}


# The next packet, { ver, op, seq, body, pushed, batch, after }: pushed inside
# of op 9, batch counts these; after is the number that came before it.
sub next_packet {
    my ($self, $seconds) = @_;

    return $self->take(sub { 1 }, $seconds);
}


# The next push.
sub next_push {
    my ($self, $seconds) = @_;

    return $self->take(sub { $_[0]{pushed} }, $seconds);
}


# The next push's body.
sub next_body {
    my ($self, $seconds) = @_;

    my $packet = $self->next_push($seconds);

    return $packet ? $packet->{body} : undef;
}


# How many pushes have arrived and were not taken.
sub waiting {
    my ($self) = @_;

    return scalar grep { $_->{pushed} } @{$self->{packets}};
}


# Bodies of all pushes that have arrived.
sub bodies {
    my ($self) = @_;

    my @pushed = grep { $_->{pushed} } @{$self->{packets}};
    @{$self->{packets}} = grep { !$_->{pushed} } @{$self->{packets}};

    return map { $_->{body} } @pushed;
}


# Whether nothing but what was there before arrives for so long.
sub silent {
    my ($self, $seconds) = @_;

    my $before = $self->{received};
    my $end = time + $seconds;

    while (time < $end) {
        turn($end - time > 0 ? $end - time : 0);
        return 0 if $self->{received} > $before || !$self->{socket};
    }

    return 1;
}


# Sends a heartbeat and waits for its answer; the online count, or nothing.
sub heartbeat {
    my ($self) = @_;

    $self->send_packet(OP_HEARTBEAT, '');
    my $reply = $self->reply(OP_HEARTBEAT_REPLY) or return;

    return unpack('N', $reply->{body});
}


# Waits until $n bytes have arrived behind the handshake, raw => 1; takes
# them.
sub bytes {
    my ($self, $n, $seconds) = @_;

    $self->response;
    wait_until($seconds || 10, undef, sub {
        return length $self->{in} >= $n || !$self->{socket};
    });

    return substr($self->{in}, 0, $n, '') if length $self->{in} >= $n;
    return $self->{in};
}


# Waits for the end of the connection: the close frame's code, or 'eof' or
# 'reset' where there was none; nothing if it doesn't end in time.
sub expect_close {
    my ($self, $seconds) = @_;

    wait_until($seconds || 10, undef, sub { !$self->{socket} }) or return;

    return $self->{close_code} || $self->{how};
}


# --- ending, and being slow

# Says goodbye; the server's answer is waited for by expect_close().
sub close_politely {
    my ($self, $code) = @_;

    $self->{close_sent} = 1;

    return $self->send_frame(WS_CLOSE, pack('n', $code || 1000));
}


sub disconnect {
    my ($self) = @_;

    $self->gone('left') if $self->{socket};
}


# Ends the connection by a reset.
sub reset {
    my ($self) = @_;

    return if !$self->{socket};

    setsockopt($self->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    $self->gone('left');
}


# Stops reading, until resume().
sub pause {
    my ($self) = @_;

    Test::Goim::Loop::want_read($self->{socket}, 0);
}


sub resume {
    my ($self) = @_;

    Test::Goim::Loop::want_read($self->{socket}, 1) if $self->{socket};
}


# --- numbers => 1

# How many numbers have arrived, the last of them, and what was wrong.
sub count { return $_[0]{count} }
sub last_number { return defined $_[0]{last} ? $_[0]{last} : -1 }
sub first_number { return $_[0]{first} }
sub faults { return @{$_[0]{faults}} }


1;
