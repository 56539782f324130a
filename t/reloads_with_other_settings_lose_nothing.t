# Ten reloads under load, each with other room classes, another number of workers
# or another channel: nothing is lost or out of order as long as a connection
# lasts, and nothing is left behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4;
use Test::Goim::Chaos;
use Test::Goim::Leftovers;

my $chaos = Test::Goim::Chaos->new(
    clients => 60, rate => Test::Goim->sanitized ? 20 : 50);
my $goim = $chaos->goim;
my %settled = (channel => 'size=64k stall=60s', workers => 2,
               http => 'goim_handover off; goim_drain 500ms; '
                   . 'goim_room live://* { backlog 64m; }');

$chaos->calm(%settled);
my $leftovers = Test::Goim::Leftovers->new($goim, together => 1);

for my $reload (1 .. 10) {
    $chaos->pass_time(0.3);
    $chaos->reload;
}

$chaos->calm(%settled);

is_deeply([$leftovers->differences(30)], [],
          'no descriptor, slot, file or process is left');
is_deeply($chaos->end, [],
          'nothing is lost, doubled or out of order: ' . $chaos->text);
is($goim->status->{total}{drop_missed}, 0, 'no worker has missed anything');
is(join(' ', $chaos->ends), '1012 eof',
   'all were let go with the code that says reconnect, or by TCP\'s end');
