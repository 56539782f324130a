# nginx of the demo reloads by the line that the demo gives for it: old clients
# and new ones get the pushes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Demo;

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);
my $demo = Test::Goim::Demo->new($goim)->ready;
my $client = $demo->connect_ws('live://1000');
my @old = $demo->pids('worker');

# "reload" stands before the command
my ($command) = $demo->line('reload') =~ /reload\s+(.*)/;
is(system($command), 0, "$command works");

wait_until(15, 'new workers', sub {
    my %now = map { $_ => 1 } $demo->pids('worker');
    return keys %now == 2 && !grep { $now{$_} } @old;
});

my $new = $demo->connect_ws('live://1000');
is($demo->run_line('curl'), 0, 'a push');
is($new->next_body, 'hello from curl', 'reaches a client of the new workers');
is($client->next_body, 'hello from curl', 'and the old client');
ok(!$client->is_closed, 'which is where it was');
is(scalar(grep { /^demo:/ } $demo->lines), 0, 'and the demo sees no fault');
