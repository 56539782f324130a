# The demo's ports are goim's; one that is in use is named, before anything
# was started, and so is how to choose another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;

use Test::More;
use Test::Goim tests => 10;

use Test::Goim::Demo;
use Test::Goim::Util qw(reserve_ports);

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);

for my $case (['DEMO_TCP_PORT', 3101], ['DEMO_WS_PORT', 3102],
              ['DEMO_LOGIC_PORT', 3111]) {
    my ($name, $port) = @$case;

    # ours, if it is not somebody else's already
    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);

    my $demo = Test::Goim::Demo->new($goim, env => { $name => '' });

    $demo->process->wait(20);
    is($demo->process->status >> 8, 1, "$port in use: the demo ends with 1");
    like($demo->errors, qr/^demo:\ port\ $port,\ for\ .+,\ can't\ be\ used:
                           .*in\ use.*make\ demo\ $name=\d+$/smx,
         'and tells what would help');
    is(scalar $demo->lines, 0, 'it says nothing else');
    unlink($goim->dir . '/demo.err');
}

is(join(' ', glob($goim->dir . '/goim-demo-*')), '', 'nothing is left of it');
