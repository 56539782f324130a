# Kafka away: a push is refused at once and nothing waits, everything else goes
# on, and pushes work again when Kafka is back.  Kafka slow: what was accepted
# is answered, more than max_requests is not begun, and SIGTERM waits for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 22;

use Test::Goim::Util qw(parse_answer);

my $goim = Test::Goim->new(
    logic => { http => { max_requests => 5 },
               kafka => { 'message.timeout.ms' => 3000 } })->start;
my $path = '/goim/push/room?operation=1000&type=live&room=1';
my $ok = '{"code":0,"message":""}';


# Sends a push and does not wait for its answer.
sub begin {
    my $socket = IO::Socket::INET->new(
        Proto => 'tcp', PeerAddr => '127.0.0.1',
        PeerPort => $goim->logic_port) or die "connect: $!";

    syswrite($socket, "POST $path HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    $socket->blocking(0);

    return { socket => $socket, text => '' };
}


# Whether the answer is there.
sub has_ended {
    my ($call) = @_;

    while (!$call->{ended}) {
        my $n = sysread($call->{socket}, $call->{text}, 65536,
                        length $call->{text});
        return 0 if !defined $n;
        $call->{ended} = 1 if $n == 0;
    }

    return 1;
}


sub end {
    my ($call) = @_;

    wait_until(20, 'an answer', sub { has_ended($call) });

    return parse_answer($call->{text});
}


sub push_now { return end(begin()) }
sub health { return $goim->ask_logic('/health') }


sub metric {
    my ($name) = @_;

    return $goim->ask_logic('/metrics')->{body} =~ /^goim_logic_$name (\d+)$/m
        ? $1 : undef;
}


my $client = $goim->connect_ws->join_room('live://1');

is(push_now()->{body}, $ok, 'a push');
is($client->next_body, 'hello', 'arrives');
is(health()->{status}, 200, 'healthy');

# away

$goim->kafka->down(1);

ok(wait_until(30, undef, sub { metric('kafka_up') == 0 }),
   'that Kafka is away is noticed');

my $answer = push_now();
is($answer->{status}, 200, 'a push is answered as in goim');
like($answer->{body}, qr/^\{"code":-500,"message":"Kafka can't be reached"\}$/,
     'with an error');
is(metric('pushes_in_flight'), 0, 'and waits nowhere');
is(health()->{status}, 503, 'not healthy');
like(health()->{body}, qr/"status":"degraded","kafka":"down"/, 'and says why');

my $other = $goim->connect_ws->join_room('live://1');
ok($other->is_authenticated, 'clients come all the same');
$client->send_packet(4, 'hello');
like($client->reply(5)->{body}, qr/"code":-500/, 'and are told in operation 5');
is($goim->ask_logic('/goim/online/total')->{status}, 200, 'counts are told');

# and back

$goim->kafka->up(1);
ok(wait_until(30, undef, sub { push_now()->{body} eq $ok }),
   'pushes work again when it is back');
is($client->next_body, 'hello', 'and arrive');
is(health()->{status}, 200, 'healthy again');

# slow

$goim->kafka->command('rtt 1 1500');

my @calls = map { begin() } 1 .. 5;

ok(wait_until(10, undef, sub { (metric('pushes_in_flight') || 0) == 5 }),
   'five pushes wait');
is(push_now()->{status}, 503, 'a sixth is not begun');
ok(!(grep { has_ended($_) } @calls), 'while the five are waiting still');

$goim->logic->signal('TERM');
is(scalar(grep { end($_)->{body} eq $ok } @calls), 5,
   'SIGTERM waits for what was accepted');
is($goim->logic->exit_code, 0, 'and ends then');
$goim->kafka->command('rtt 1 0');
$goim->logic->stop;

$goim->logic->start;
is(push_now()->{body}, $ok, 'a new start');
like($goim->logic->log_text, qr/kafka can't be reached/, 'all is in the log');
