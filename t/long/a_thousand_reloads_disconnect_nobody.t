# A thousand reloads in a row with a thousand clients, to between one and four
# workers: nobody is disconnected or misses anything, and nothing piles up.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

BEGIN { $ENV{GOIM_TEST_LIMIT} ||= 3600 }

use Test::More;
use Test::Goim tests => 8;

use Test::Goim::Leftovers;

my $reloads = $ENV{GOIM_RELOADS} || 1000;
my $n = $ENV{GOIM_RELOAD_CLIENTS} || 1000;
my @workers = (3, 1, 4, 2);

my $goim = Test::Goim->new(workers => 2, servers => '%%TCP_SERVER%%')->start;
my $nginx = $goim->nginx;
my @clients;

for my $room (1 .. 10) {
    my %member = (numbers => 1, token => {
        room_id => "live://$room", test => { heartbeat => 86400 } });

    push @clients, $goim->connect_many($n / 20, \%member),
        map { $goim->connect_tcp(%member) } 1 .. $n / 20;
}

my $stream = $goim->stream([map { "live://$_" } 1 .. 10], count => 1e7,
                           rate => 3);
ok($goim->all_reach(3, 60, @clients), 'a stream is under way');


# Whether the old workers have ended.
sub reload {
    my ($workers) = @_;

    my %old = map { $_ => 1 } $goim->worker_pids;

    $goim->reload(workers => $workers);

    return wait_until(60, undef, sub {
        return !grep { $old{$_} } $nginx->old_worker_pids });
}


# what stays for ever comes with the first

reload($_) for @workers;
my $leftovers = Test::Goim::Leftovers->new($goim, together => 1);
my $middle;
my $stayed = 0;

for my $i (1 .. $reloads) {
    reload($workers[$i % @workers]) or $stayed++;
    $middle = $leftovers->memory if $i == int($reloads / 2);

    # the harness has its turn
    $goim->all_reach($clients[0]->last_number + 1, 20, @clients)
        if $i % 20 == 0;
}

my $memory = $leftovers->memory;
reload(2);

is($stayed, 0, "$reloads reloads, each time the old workers end");
is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is disconnected');

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
ok($goim->all_reach($count, 60, @clients), "all $count numbers arrive");
is_deeply($goim->faults(undef, $count, @clients), [], 'once, and in order');

is($goim->status->{total}{connections}, scalar @clients, 'each is with one');
is_deeply([$leftovers->differences(60)], [],
          'no descriptor, slot, file or process is left');

my $tolerance = Test::Goim->sanitized ? 256 * 1024 : 1024;
cmp_ok($memory - $middle, '<', $tolerance,
       "in the second half the master does not grow ($middle KB, $memory KB)");
