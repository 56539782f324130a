# An upgrade of the binary that is taken back: the new master is ended, and its
# workers hand their connections over to those of the old one; which has had
# them all the time, or gets them anew by SIGHUP after SIGWINCH.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

my $goim = Test::Goim->new(workers => 2, daemon => 'on',
                           http => 'goim_drain 500ms;')->start;
my $nginx = $goim->nginx;
my $master = $nginx->pid;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = $goim->connect_many(30, $member);

my $stream = $goim->stream('live://1', count => 1e7, rate => 200);
ok($goim->all_reach(50, 20, @clients), 'a stream is under way');


# How many clients the workers of a master have.
sub with_workers_of {
    my ($pid) = @_;

    my %its = map { $_->[0] => 1 } grep { $_->[2] == $pid } $nginx->children;

    return scalar grep { $its{$_} } $goim->worker_of(@clients);
}


# The old master's workers are asked to go, or not; and the way back.
sub there_and_back {
    my ($what, %opt) = @_;

    $nginx->upgrade;
    my $new = $nginx->pid;

    if ($opt{winch}) {
        CORE::kill('WINCH', $master);
        ok(wait_until(20, undef, sub { !with_workers_of($master) }),
           "$what: the new master's workers get all there are");
        wait_until(20, 'the old workers to end', sub {
            return !grep { $_->[2] == $master && $_->[1] =~ /worker/ }
                $nginx->children;
        });

    } else {
        wait_until(20, 'some to come to the new workers', sub {
            push @clients, $goim->connect_many(5, $member);
            return with_workers_of($new);
        });
        ok(with_workers_of($master), "$what: old and new workers have some");
    }

    $nginx->downgrade;
    ok(wait_until(20, undef, sub { !$nginx->old_alive }),
       'the new master ends');
    is(with_workers_of($master), scalar @clients,
       'the old one\'s workers have all clients');
    is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is closed');

    my $reached = $clients[0]->last_number + 100;
    ok($goim->all_reach($reached, 20, @clients), 'the stream goes on');
}


there_and_back('with the old workers');
there_and_back('after SIGWINCH', winch => 1);

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
$goim->all_reach($count, 20, @clients);
is_deeply($goim->faults(undef, $count, @clients), [],
          'everybody got everything once, and in order');
is($goim->counted('handover_drained'), 0, 'none was let go');
