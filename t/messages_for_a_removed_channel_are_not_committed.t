# A channel whose file was removed, and that has no reader any more, is nobody's:
# what goim-job has written into it is not committed, so that the channel which
# nginx makes next gets it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(workers => 1, channel => 'size=64k')->start;
my $nginx = $goim->nginx;
my $client = $goim->connect_ws->join_room('live://1');


sub committed { return $goim->committed('goim-push-comet-1', 0) }


my $first = $goim->push_room('live://1', 1000, 'first')->[1];
is($client->next_body, 'first', 'a message arrives');
ok(wait_until(20, undef, sub {
    my $now = committed();
    return defined $now && $now == $first + 1;
}), 'and is committed');

my ($file) = $goim->generations;
$nginx->stop;
unlink($file) or die "$file: $!\n";
$goim->push_room('live://1', 1000, 'second');

# it may have gone into the removed channel until goim-job lets go of that

ok(wait_until(30, undef, sub {
    return slurp($goim->dir . '/job.log') =~ /has no reader any more/;
}), 'goim-job lets go of the channel');
is(committed(), $first + 1, 'what came meanwhile is not committed');

$nginx->start;
