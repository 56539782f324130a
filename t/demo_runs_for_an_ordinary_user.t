# The demo needs no root: an ordinary user starts, uses and ends it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::Demo;

my $script = Test::Goim::Demo->script;
my @as = $> ? () : qw(/usr/bin/setpriv --reuid nobody --regid nogroup
                      --clear-groups --inh-caps=-all);

plan(skip_all => 'an ordinary user may not look into this tree')
    if @as && system("@as test -x $script -a -x $FindBin::Bin/../build/t");

Test::Goim->plan(5);

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);
my $tmp = $goim->dir . '/tmp';

mkdir($tmp);
chmod(01777, $tmp);

my $demo = Test::Goim::Demo->new($goim, argv => [@as, $script],
                                 env => { TMPDIR => $tmp })->ready;
my $pids = $demo->descendants;

isnt((stat('/proc/' . $demo->process->pid))[4], 0, 'the demo is not root');
is(scalar(grep { !(stat("/proc/$_"))[4] } keys %$pids), 0,
   'nor is any of its processes');

my $client = $demo->connect_ws('live://1000');
is($demo->run_line('curl'), 0, 'a push');
is($client->next_body, 'hello from curl', 'arrives');

$demo->process->stop('TERM');
is(join(' ', glob("$tmp/*")), '', 'and nothing is left in the end');
