# Clients that come and go, break off, send garbage and never read take
# nothing from the others, and leave nothing behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Packet qw(packet frame OP_HEARTBEAT OP_AUTH WS_BINARY
                          WS_PING);

my $seed = $ENV{GOIM_SEED} || int(rand(1e9));
srand($seed);

my $goim = Test::Goim->new(
    workers => 2, listen => 'reuseport',
    http => 'goim_room live://* { backlog 64m; }',
    server => <<'CONF')->start;
location /hostile {
            goim;
            goim_auth /auth;
            goim_handshake_timeout 2s;
        }
CONF

my @healthy = $goim->connect_many(20, {
    numbers => 1, token => { room_id => 'live://1', accepts => [1] } });

my $stream = $goim->stream('live://1', count => 1e6, rate => 200,
                           size => 200);
my $number = 0;


sub garbage { return join('', map { chr rand 256 } 1 .. 1 + rand $_[0]) }


sub token { return { room_id => 'live://' . int(1 + rand 5),
                     key => 'h' . int(rand 50), accepts => [1] } }


sub hostile { return $goim->connect_ws(path => '/hostile', @_) }


# Each makes a client, which is then left to itself.
my @kinds = (

    # no handshake, half of one, garbage instead
    sub { hostile(request => '') },
    sub { hostile(request => "GET /hostile HTTP/1.1\r\nHost: a\r\n") },
    sub { hostile(request => garbage(500)) },

    # leaves at any moment
    sub { my $client = hostile(); $client->reset; $client },
    sub { hostile(on_open => sub { $_[0]->reset }) },
    sub { hostile(token => token(), on_open => sub {
              $_[0]->disconnect }) },
    sub { hostile(on_open => sub {
              $_[0]->send_auth({ %{token()}, test => { delay => 0.1 } });
              $_[0]->reset }) },

    # garbage after the handshake, before and after authentication
    sub { hostile(on_open => sub {
              $_[0]->send_bytes(garbage(2000)) }) },
    sub { hostile(token => token(), on_open => sub {
              $_[0]->send_bytes(garbage(100)) }) },
    sub { hostile(token => token(), on_open => sub {
              $_[0]->send_frame(WS_BINARY, garbage(5000)) }) },
    sub { hostile(on_open => sub {
              $_[0]->send_packet(OP_AUTH, garbage(200)) }) },

    # is right, and much
    sub { hostile(token => token(), on_open => sub {
              $_[0]->send_bytes(frame(WS_BINARY,
                                      packet(OP_HEARTBEAT, '')) x 200) }) },
    sub { hostile(token => token(), rcvbuf => 4096,
                            on_open => sub {
              $_[0]->pause;
              $_[0]->send_bytes(frame(WS_PING, 'x' x 125) x 500) }) },

    # never authenticates, never reads
    sub { hostile() },
    sub { hostile(token => token(), rcvbuf => 4096,
                            on_open => sub { $_[0]->pause }) },
);

my @hostile;

for my $i (1 .. 500) {
    push @hostile, $kinds[rand @kinds]->();
    $goim->push_all(1, "n$i") if $i % 50 == 0;

    # some stay for a while
    my $leaving = $hostile[rand @hostile];
    rand() < 0.5 ? $leaving->reset : $leaving->disconnect
        if rand() < 0.5;
    Test::Goim::Loop::turn(0.002);
}

my $reached = $healthy[0]->last_number + 200;
ok($goim->all_reach($reached, 20, @healthy),
   "healthy clients get their stream meanwhile (seed $seed)");
ok(!grep({ join(',', $_->bodies) ne join(',', map { 'n' . 50 * $_ } 1 .. 10) }
         @healthy),
   'and what is for all');

$_->reset for @hostile;
$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 20, @healthy), 'to its end');
is_deeply($goim->faults(1, $sent, @healthy), [], 'without a fault');

my $total;
ok(wait_until(20, undef, sub {
    $total = $goim->status->{total};
    return $total->{connections} == @healthy;
}), 'of the others no connection is left')
    or diag("$total->{connections} connections");

my %workers = map { $_ => 1 } $goim->worker_of(@healthy);
is($total->{rooms}, keys %workers, 'and no room but the healthy ones\'');
