# nginx is killed with all its workers, as by a service manager or for want of
# memory, and started anew: in the same channel if it fits, else in a new one,
# into which goim-job, which goes on all the time, publishes at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 19;

my $goim = Test::Goim->new(
    workers => 2, channel => 'size=64k', servers => '%%TCP_SERVER%%',
    http => 'goim_room live://* { backlog 64m; }')->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1',
                                        test => { heartbeat => 86400 } } };
my $stream = $goim->stream('live://1', count => 1e7, rate => 200);


sub clients {
    my @clients = ($goim->connect_many(20, $member),
                   map { $goim->connect_tcp(%$member) } 1 .. 5);

    wait_until(20, 'the stream to reach all', sub {
        return !grep { !$_->count } @clients });

    return @clients;
}


# The master first, so that it does not replace its workers.
sub kill_all {
    my @pids = $nginx->worker_pids;

    $nginx->{process}->kill('KILL');
    $nginx->{process}->wait(20) or die('nginx survives SIGKILL');
    kill('KILL', @pids);
}


# A master that is killed alone leaves its workers, who go on.

my @clients = clients();
my @orphans = $nginx->worker_pids;

$nginx->{process}->kill('KILL');
$nginx->{process}->wait(20);
ok($goim->all_reach($clients[0]->last_number + 200, 20, @clients),
   'workers whose master was killed go on');
is($goim->status->{total}{workers}, 2, 'both of them');
kill('KILL', @orphans);

for my $case (['in the same channel', {}],
              ['in it once more', {}],
              ['with another size', { channel => 'size=128k' }],
              ['with more lanes', { channel => 'size=128k lanes=2' }])
{
    my ($name, $conf) = @$case;

    # the last of the killed ones may not be gone yet, and has the port
    wait_until(20, 'all connections to break', sub {
        return !grep { !$_->is_closed } @clients });
    is_deeply([map { $_->faults } @clients], [],
              'what clients had got by then was in order');

    my ($before) = $goim->generations;
    $nginx->write_conf(%$conf);
    $nginx->start;

    my $status = $goim->status;
    my ($again) = grep { /\.$status->{channel}{generation}$/ }
        $goim->generations;

    is($again eq $before ? 'the same' : 'another',
       %$conf ? 'another' : 'the same',
       "nginx starts $name: its generation");
    is(scalar @{$status->{workers}}, 2, 'no dead worker has a slot');

    @clients = clients();
    is_deeply([map { $_->faults } @clients], [],
              'clients get the stream again');
    kill_all() if $name ne 'with more lanes';
}

ok(wait_until(30, undef, sub { my @now = $goim->generations; @now == 1 }),
   'of all generations one is left') or diag(join("\n", $goim->generations));
