# The socket of a hand-over lies beside the channel, where its path may be longer
# than an address of a socket can be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 3;

my $goim = Test::Goim->new(workers => 2);
my $folder = $goim->{shm} . '/' . 'x' x (150 - length $goim->{shm});

mkdir($folder) && chmod(0755, $folder) or die "$folder: $!";
$goim->{shm} = $folder;
$goim->start;

my @clients = map { $goim->connect_ws->join_room('live://1') } 1 .. 20;

$goim->reload(workers => 1);
wait_until(20, 'old workers to end', sub {
    return !$goim->nginx->old_worker_pids });
is(scalar(grep { $_->is_closed } @clients), 0, 'nobody is disconnected');
is($goim->status->{total}{moved_in}, 20, 'all were handed over');

$goim->producer->room('live://1', 1000, 'here');
is(scalar(grep { $_->next_body eq 'here' } @clients), 20, 'and are served');
