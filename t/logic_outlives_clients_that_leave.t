# Clients of goim-logic that go away while it works for them, half-way through
# a request or with a reset, cost nothing but their own answer; what was
# accepted is pushed all the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Test::Goim tests => 6;

my $goim = Test::Goim->new(logic => 1)->start;
my $client = $goim->connect_ws->join_room('live://1');
my $head = "POST /goim/push/room?operation=1000&type=live&room=1 HTTP/1.1\r\n"
    . "Host: logic\r\nContent-Length: 1\r\n\r\n";


sub send_and_leave {
    my ($text, $reset) = @_;

    my $socket = IO::Socket::INET->new(
        Proto => 'tcp', PeerAddr => '127.0.0.1',
        PeerPort => $goim->logic_port) or die "connect: $!";

    syswrite($socket, $text);
    setsockopt($socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
    close($socket);
}


sub metric {
    my ($name) = @_;

    return $goim->ask_logic('/metrics')->{body} =~ /^goim_logic_$name (\d+)$/m
        ? $1 : undef;
}


# cut everywhere, gone by a close and by a reset
for my $reset (0, 1) {
    send_and_leave(substr($head, 0, $_), $reset) for 1 .. length($head);
}

# gone while Kafka is waited for
$goim->kafka->command('rtt 1 300');
send_and_leave($head . 'a', 0) for 1 .. 20;
send_and_leave($head . 'b', 0) for 1 .. 20;

my $pushed = wait_until(20, undef, sub {
    return metric('pushes_acknowledged_total') == 40;
});
ok($pushed, 'what was accepted is pushed, though nobody waits for it');

my @bodies;

wait_until(20, undef, sub {
    push @bodies, $client->bodies;
    return @bodies >= 40;
});
is(join('', sort @bodies), 'a' x 20 . 'b' x 20, 'and arrives');

# pipelined requests are answered in their order
$goim->kafka->command('rtt 1 0');

my $socket = IO::Socket::INET->new(
    Proto => 'tcp', PeerAddr => '127.0.0.1', PeerPort => $goim->logic_port)
    or die "connect: $!";
syswrite($socket, ($head . 'c') x 3 . "GET /nowhere HTTP/1.1\r\n"
                  . "Host: logic\r\nConnection: close\r\n\r\n");
$socket->blocking(0);

my $text = '';
wait_until(10, 'the answers', sub {
    while (1) {
        my $n = sysread($socket, $text, 65536, length $text);
        return defined $n || !$!{EAGAIN} if !$n;
    }
});
is(join(' ', $text =~ m{HTTP/1\.1 (\d+)}g), '200 200 200 404',
   'pipelined requests are answered in their order');
is($client->next_body . $client->next_body . $client->next_body, 'ccc',
   'and arrive');

ok(wait_until(10, undef, sub { metric('requests_in_flight') == 1 }),
   'no request is left but the one that asks');
is(metric('requests_buffered_bytes'), 0, 'nor a byte of theirs');
