# The bench runs, and what it writes has both sides and their ratio; it fails
# where a server does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Process;
use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(kafka => 0, nginx => 0, auth => 0, job => 0);
my $dir = $goim->dir;


# Its exit code and its output.
sub bench {
    my (%env) = @_;

    my $process = Test::Goim::Process->new(
        name => 'bench', dir => $dir, out => "$dir/bench.out",
        env => { GOIM_BENCH_REPEATS => 1, GOIM_BENCH_OUT => "$dir/bench.json",
                 GOIM_MODULE => Test::Goim->module, %env },
        argv => [$^X, "$FindBin::Bin/../bench/run.pl", 'alone-1000']);

    $process->wait(60) or die "the bench hangs\n";

    return ($process->status >> 8, slurp("$dir/bench.out"));
}


my ($exit, $text) = bench();
is($exit, 0, 'the bench runs') or diag($text);

my $cell = JSON::PP->new->decode(slurp("$dir/bench.json"))->{cells}[0];

is($cell->{name}, 'alone-1000', 'the cell that was asked for');
ok($cell->{value} > 0 && $cell->{floor} > 0, 'the module and the floor');
is(sprintf('%.6g', $cell->{ratio}),
   sprintf('%.6g', $cell->{value} / $cell->{floor}), 'and their ratio');
is($cell->{module_run}{received}, $cell->{module_run}{offered},
   'all that was offered was received');

# an nginx that does not start
($exit, $text) = bench(GOIM_NGINX => '/bin/false');
isnt($exit, 0, 'and it fails where nginx does');
