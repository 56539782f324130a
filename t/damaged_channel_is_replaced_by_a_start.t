# A channel whose file was removed, cut short or written over while nginx was
# not there is replaced by its start, which says why; what Kafka has since the
# last commit comes to those who are there then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;
use Test::Goim tests => 5 * 3 + 1;

use Test::Goim::Util qw(write_over);

# nothing is committed yet when the first channel goes
my $goim = Test::Goim->new(workers => 2, channel => 'size=64k',
    job => { kafka => { 'auto.offset.reset' => 'earliest' } },
    http => 'goim_room live://* { backlog 64m; }')->start;
my $nginx = $goim->nginx;

# what is done, to the file => what the start says
my @faults = (
    ['is removed', sub { unlink($_[0]) }, qr/made generation \d+ of/],
    ['has lost its pipes', sub { remove_tree("$_[0].d") }, qr/lost its pipes/],
    ['is cut short', sub { truncate($_[0], 0) },
     qr/no channel, or damaged/],
    ['is filled with zeros', sub { write_over($_[0], "\0") },
     qr/no channel, or damaged/],
    ['is filled with garbage', sub { write_over($_[0], "\xa5") },
     qr/no channel, or damaged/],
);

for my $fault (@faults) {
    my ($name, $do, $says) = @$fault;

    my ($file) = $goim->generations;
    my $log = length $goim->error_log;

    $nginx->stop;
    $do->($file);
    $nginx->start;

    like(substr($goim->error_log, $log), $says, "a file that $name: it is told");
    ok(wait_until(30, undef, sub {
        my @now = $goim->generations;
        return @now == 1 && $now[0] ne $file;
    }), 'another one alone is there') or diag(join("\n", $goim->generations));

    my $client = $goim->connect_ws->join_room('live://1');
    $goim->push_room('live://1', 1000, $name);
    ok($client->take(sub { $_[0]{body} eq $name }, 30),
       'through which pushes come');
}

ok($goim->job->alive, 'goim-job has lived through it all');
