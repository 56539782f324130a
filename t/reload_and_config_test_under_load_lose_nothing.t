# nginx -s reload and nginx -t during a stream: old workers go on serving
# while they send their clients away, a few at a time, with a code that says
# reconnect; as long as a connection lasts it gets everything in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 9;

use Time::HiRes qw(time);

my $goim = Test::Goim->new(workers => 2, http => 'goim_handover off; goim_drain 2s;')->start;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(60, $member);

my $stream = $goim->stream('live://1', count => 1e7,
                           rate => Test::Goim->sanitized ? 100 : 250);

ok($goim->all_reach(100, 20, @clients), 'a stream is under way');

my ($exit, $text) = $goim->nginx_t;
is($exit, 0, 'nginx -t meanwhile is content');

my @ended;


# Clients that were sent away come again, as a library would do.
sub reconnect {
    for my $client (@clients) {
        next if !$client->is_closed;

        push @ended, $client;
        $client = $goim->connect_ws(%$member);
    }

    return;
}


for my $round (1, 2) {
    my @old = $goim->worker_pids;

    my $started = time;

    $goim->reload;

    ok(wait_until(20, undef, sub {
        reconnect();
        my %left = map { $_ => 1 } $goim->nginx->old_worker_pids;
        return !grep { $left{$_} } @old;
    }), "reload $round: the old workers end");

    # the drain lets go over its whole time, not all at once
    cmp_ok(time - $started, '>', 1, 'but not before their time')
        if $round == 1;
}

wait_until(30, 'all to be there again', sub {
    reconnect();
    return !grep { !$_->count } @clients;
});
$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);

ok($goim->all_reach($count, 20, @clients),
   'the end of the stream reaches all clients that are connected');
is_deeply($goim->faults(undef, $count, @clients), [],
          'each got everything since it came');
is_deeply($goim->faults(undef, undef, @ended), [],
          'so did those that were sent away, until then');
is_deeply([grep { $_ ne '1012' } map { $_->expect_close } @ended], [],
          'with the code that says reconnect');
