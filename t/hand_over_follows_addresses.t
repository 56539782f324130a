# At a reload connections go where their address is: also to a wildcard that
# was an address, or the other way round, as long as the port and the server's
# name are the same. Those of an address that is not there any more are let go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use constant { STAYS => 1, GOES => 0 };

# what becomes of a connection to a server with what stands in "listen" before
# and behind the reload; undef: it is not there
my %case = (
    'the same address' =>
        [STAYS, '127.0.0.1:%%PORT_same%%', '127.0.0.1:%%PORT_same%%'],
    'an address for a wildcard' =>
        [STAYS, '%%PORT_narrow%% reuseport',
                '127.0.0.1:%%PORT_narrow%% reuseport'],
    'a wildcard for an address' =>
        [STAYS, '127.0.0.1:%%PORT_wide%% reuseport',
                '%%PORT_wide%% reuseport'],
    'an address beside the wildcard' =>
        [STAYS, '%%PORT_one%%', '127.0.0.1:%%PORT_one%%'],
    'the wildcard beside its address' =>
        [STAYS, '127.0.0.1:%%PORT_two%%', '%%PORT_two%%'],
    'the same path' =>
        [STAYS, 'unix:%%DIR%%/same.sock', 'unix:%%DIR%%/same.sock'],
    'no address' => [GOES, '127.0.0.1:%%PORT_gone%%', undef],
    'another port' =>
        [GOES, '127.0.0.1:%%PORT_three%%', '127.0.0.1:%%PORT_four%%'],
    'another path' =>
        [GOES, 'unix:%%DIR%%/one.sock', 'unix:%%DIR%%/two.sock'],
    'the address with another server' =>
        [GOES, '127.0.0.1:%%PORT_other%%', undef],
);

# servers with other names, before and behind it
my @others = (['%%PORT_two%%'], ['%%PORT_one%%', '127.0.0.1:%%PORT_other%%']);

Test::Goim->plan(keys(%case) + 5);


# Of a case.
sub host { return $_[0] =~ tr/ /-/r }


sub server {
    my ($name, @listens) = @_;

    return '' if !@listens;
    return "server {\n" . join('', map { "listen $_;\n" } @listens)
        . 'server_name ' . host($name) . ";\n%%locations%%\n}\n";
}


sub servers {
    my ($when) = @_;

    return join('', (map { my $listen = $case{$_}[$when + 1];
                           server($_, defined $listen ? $listen : ()) }
                     sort keys %case),
                server('others', @{$others[$when]}));
}


my $goim = Test::Goim->new(workers => 1, http => 'goim_drain 1s;',
                           servers => servers(0))->start;
my $nginx = $goim->nginx;
my %client;

for my $name (sort keys %case) {
    my $listen = $case{$name}[1];
    my ($port) = $listen =~ /%%PORT_(\w+)%%/;
    my ($path) = $listen =~ m{/(\w+\.sock)};

    $client{$name} = $goim->connect_ws(
        headers => { Host => host($name) },
        $port ? (port => $nginx->extra_port($port))
              : (unix => $goim->dir . "/$path"))->join_room('live://1');
}

# there and back is one more hand-over for those that stay

$goim->reload(servers => servers(1));
wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });

my @stay = grep { $case{$_}[0] == STAYS } sort keys %case;
my @go = grep { $case{$_}[0] == GOES } sort keys %case;

is($client{$_}->expect_close(20), 1012, "$_: it is let go") for @go;
is($goim->counted('handover_refused'), scalar @go,
   'as no worker could take these');
is($goim->counted('moved_in'), scalar @stay, 'the others were taken');

$goim->reload(servers => servers(0));
wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });

is($goim->counted('moved_in'), 2 * @stay, 'and on the way back as well');
is($goim->counted('handover_refused'), scalar @go, 'without an exception');

$goim->push_room('live://1', 1000, 'here');
is($client{$_}->next_body(20), 'here', "$_: it is served") for @stay;
is(scalar(grep { !$client{$_}->is_open } @stay), 0,
   'over the same connections');
