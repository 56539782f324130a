# A reload that changes the channel's size makes a new generation: goim-job
# feeds both until the old workers have gone, then the old file goes, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 15s;',
                           channel => 'size=64k lanes=1',
                           topics => { 'goim-push-topic' => 4 })->start;
my @rooms = map { "live://$_" } 1 .. 4;
my $n = 0;
my $member = sub {
    return { numbers => 1, token => { room_id => $rooms[$n++ % 4] } };
};
my @old = $goim->connect_many(80, $member);


# The numbers of all generations whose files are there.
sub generations {
    return sort { $a <=> $b } map { /\.(\d+)$/ } $goim->generations;
}


my ($first) = generations();
my $stream = $goim->stream(\@rooms, count => 1e6, rate => 200);
ok($goim->all_reach(100, 10, @old), 'a stream is under way');

$goim->reload(channel => 'size=256k lanes=2');

my $status = $goim->status;
is($status->{channel}{size}, 256 * 1024, 'the new workers have the new size');
is($status->{channel}{lanes}, 2, 'and number of lanes');
is_deeply([generations()], [$first, $status->{channel}{generation}],
          'in a generation beside the old one');

my @new = $goim->connect_many(40, $member);
my $reached = $new[0]->last_number + 50;
ok($goim->all_reach($reached, 10, @new), 'the stream reaches new clients');

my @still = grep { $_->is_open } @old;
cmp_ok(scalar @still, '>', 0, 'while old ones are there');
my $at = $still[0]->last_number;
ok(wait_until(10, undef, sub {
    return !grep { $_->is_open && $_->last_number <= $at } @still;
}), 'who get it as well');

# goim-job keeps a generation for 5 s that it believes to be left: the last
# old clients must be served beyond that

my $behind = 0;
wait_until(60, undef, sub {
    my ($open) = grep { $_->is_open } @old;
    $behind = $new[0]->last_number - $open->last_number if $open;
    return !$open;
});
cmp_ok($behind, '<', 1000, 'to the last, no later than the others');

my %code;
$code{$_->expect_close || 'none'}++ for @old;
is_deeply(\%code, { 1012 => 80 }, 'until they are let go with 1012');

ok(wait_until(20, undef, sub { my @now = generations(); @now == 1 }),
   'the old generation\'s file is removed after its last worker');

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 20, @new), 'the end reaches the new clients');
is_deeply($goim->faults(1, undef, @old), [],
          'the old ones got everything in order while they lasted');
is_deeply($goim->faults(undef, $sent, @new), [], 'and so did the new ones');
