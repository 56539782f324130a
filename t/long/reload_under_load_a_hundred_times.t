# A hundred reloads under load, now and then with another size of the channel,
# other room classes, another number of workers: nobody misses anything while
# connected, and nothing piles up.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

BEGIN { $ENV{GOIM_TEST_LIMIT} ||= 1800 }

use Test::More;
use Test::Goim tests => 8;

use Test::Goim::Leftovers;

my $seed = $ENV{GOIM_SEED} || int(rand(1e9));
srand($seed);

my $reloads = $ENV{GOIM_RELOADS} || 100;
my @sizes = ('size=64k', 'size=128k lanes=2', 'size=256k');
my @classes = map { "goim_handover off; goim_drain 1s; $_" }
    ('goim_room live://* { backlog 64m; }',
     'goim_room live://1 { backlog 64m; overflow close; } goim_room other://* { backlog 1k; }',
     'goim_room * { backlog 64m; flush 20ms; }');

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
                           http => $classes[0], channel => $sizes[0])->start;
my $leftovers = Test::Goim::Leftovers->new($goim);
my @memory;
my $member = { numbers => 1, token => { room_id => 'live://1',
                                        test => { heartbeat => 86400 } } };
my @clients = $goim->connect_many(60, $member);
my $stream = $goim->stream('live://1', count => 1e7, rate => 500);


my %ends;
my (@faults, $numbers);


# Clients that were sent away come again; what they had is judged.
sub reconnect {
    for my $client (@clients) {
        next if !$client->is_closed;

        $ends{$client->expect_close}++;
        push @faults, @{$goim->faults(undef, undef, $client)}
            if $client->count;
        $numbers += $client->count;
        $client = $goim->connect_ws(%$member);
    }

    return;
}


for my $reload (1 .. $reloads) {
    $goim->reload($reload % 10 == 0
                  ? (channel => $sizes[$reload / 10 % @sizes]) : (),
                  $reload % 7 == 0 ? (workers => 1 + $reload % 3) : (),
                  $reload % 4 == 0
                  ? (http => $classes[$reload / 4 % @classes]) : ());
    push @memory, $leftovers->memory;

    # often the next reload comes before the last is through
    next if rand() < 0.5;
    wait_until(30, 'the old workers to end', sub {
        reconnect();
        return !$goim->nginx->old_worker_pids;
    });
}

wait_until(60, 'the last old workers to end', sub {
    reconnect();
    return !$goim->nginx->old_worker_pids;
});
reconnect();

wait_until(30, 'all to be there again', sub {
    reconnect();
    return !grep { !$_->is_authenticated } @clients;
});

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 60, grep { $_->count } @clients),
   "$reloads reloads (seed $seed)");
push @faults, @{$goim->faults(undef, $sent, grep { $_->count } @clients)};
is_deeply(\@faults, [], 'all is in order as long as a connection lasts');
cmp_ok($numbers, '>', $sent, 'over many connections');
is(join(',', grep { $_ ne 1012 } sort keys %ends), '',
   'each was sent away with 1012');

my $status = $goim->status;
is(scalar @{$status->{workers}}, $goim->nginx->workers, 'the slots of old workers are free');
ok(wait_until(30, undef, sub { $goim->generations == 1 }),
   'one generation\'s file is left')
    or diag(join("\n", glob($goim->channel_path . '*')));

# clients and what they hold must not be there, as at the start they were not

$_->disconnect for @clients;
$goim->reload(channel => $sizes[0], workers => 2, http => $classes[0]);
is_deeply([$leftovers->differences(60)], [], 'nothing else is left either');

my $tolerance = Test::Goim->sanitized ? 256 * 1024 : 2048;
cmp_ok($memory[-1] - $memory[@memory / 2], '<', $tolerance,
       'in the second half the master does not grow')
    or diag("@memory KB");
