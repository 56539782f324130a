# The status counts connections by what they speak and how far they are: in
# their handshake, open, saying goodbye, or open in a worker that shuts down;
# for each worker and in total, in JSON and for Prometheus.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

my $goim = Test::Goim->new(
    workers => 2, listen => 'reuseport', servers => '%%TCP_SERVER%%',
    http => 'goim_handover off; goim_drain 10m;',
    server => 'location = /metrics { goim_status prometheus; }')->start;

my @states = qw(handshaking open draining closing);


# "handshaking open draining closing" of both transports.
sub told {
    my ($clients) = @_;

    return map { my $of = $clients->{$_}; join(' ', map { $of->{$_} } @states) }
        qw(websocket tcp);
}


# Whether the total becomes what it should be.
sub becomes {
    my ($websocket, $tcp, $name) = @_;

    my @told;

    ok(wait_until(20, undef, sub {
           @told = told($goim->status->{total}{clients});
           return "@told" eq "$websocket $tcp";
       }), $name) or diag("websocket: $told[0], tcp: $told[1]");
}


becomes('0 0 0 0', '0 0 0 0', 'at first there is nobody');

my @waiting = map { $goim->connect_ws } 1 .. 3;
push @waiting, map { $goim->connect_tcp } 1 .. 2;
becomes('3 0 0 0', '2 0 0 0', 'who is not authenticated is in the handshake');

my @open = map { $goim->connect_ws->join_room('live://1') } 1 .. 4;
push @open, map { $goim->connect_tcp->auth({ room_id => 'live://1' }) } 1 .. 3;
becomes('3 4 0 0', '2 3 0 0', 'who is authenticated is open');

my $status = $goim->status;
my %sum;
for my $worker (@{$status->{workers}}) {
    for my $transport (qw(websocket tcp)) {
        $sum{$transport}{$_} += $worker->{clients}{$transport}{$_}
            for @states;
    }
}
is_deeply(\%sum, $status->{total}{clients}, 'workers make the total');

my %metric;
my $metrics = $goim->nginx->get('/metrics')->{body};
$metric{$2}{$3} += $4
    while $metrics
          =~ /^goim_clients\{slot="(\d+)",transport="(\w+)",state="(\w+)"\}
              \ (\d+)$/mgx;
is_deeply(\%metric, $status->{total}{clients}, 'Prometheus is told the same');
is("@{$status->{total}}{qw(connections connections_tcp handshaking
                            handshaking_tcp closing closing_tcp)}",
   '7 3 5 2 0 0', 'and counters fit');

$_->disconnect for @waiting;
becomes('0 4 0 0', '0 3 0 0', 'who leaves its handshake is gone');

# a goodbye ends after a few seconds, whatever the client does


# Whether a client is seen saying goodbye, once it can't answer any more.
sub seen_closing {
    my ($wanted, $make) = @_;

    my $told;

    for (1 .. 5) {
        my $client = $make->();

        $goim->kick(['k']);
        wait_until(20, 'the kick', sub {
            my $clients = $goim->status->{total}{clients};
            $told = join(' ', told($clients));
            return $clients->{websocket}{open} + $clients->{tcp}{open} == 7;
        });
        $client->disconnect;

        return 1 if $told eq $wanted;
    }

    diag($told);
    return 0;
}


ok(seen_closing('0 4 0 1 0 3 0 0', sub {
    return $goim->connect_ws(mute => 1)->join_room('live://1', key => 'k');
}), 'who is told goodbye is closing until it answers');
becomes('0 4 0 0', '0 3 0 0', 'and then gone');

# there is no word for it on TCP; what is queued has to go out

ok(seen_closing('0 4 0 0 0 3 0 1', sub {
    my $slow = $goim->connect_tcp(rcvbuf => 4096)
        ->auth({ key => 'k', accepts => [1], test => { heartbeat => 600 } });
    my $pending;

    $slow->pause;
    do {
        my $before = $goim->status->{total}{records};

        $goim->push_keys(['k'], 1, 'x' x 30000);
        wait_until(20, 'the push to be read', sub {
            return $goim->status->{total}{records} == $before + 2;
        });
        $pending = $goim->status('/goim/status?key=k')->{pending};
    } while !$pending;

    return $slow;
}), 'so is a TCP client that has something to get');
becomes('0 4 0 0', '0 3 0 0', 'until it leaves');

$goim->reload;
becomes('0 0 4 0', '0 0 3 0', 'who is with a worker that shuts down drains');
my $new = $goim->connect_ws->join_room('live://1');
becomes('0 1 4 0', '0 0 3 0', 'new ones are open');
