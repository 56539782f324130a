# The types of the JavaScript client let its uses through, refuse mistakes, and
# name what is there.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More tests => 4;

use Test::Goim::Process;
use Test::Goim::Util qw(slurp);

my $top = abs_path("$FindBin::Bin/..");
my $dir = tempdir('goim-test-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

mkdir("$dir/none") or die "$dir: $!";

my $said = run(qw(tsc --noEmit --strict --pretty false --target es2022 --module
                  es2022 --moduleResolution node --lib), 'es2022,dom',
               '--typeRoots', "$dir/none", "$top/t/js/types.ts");
is($said, '', 'all uses are right, all mistakes are found');

my $types = slurp("$top/clients/js/goim.d.ts");
my @exported = sort $types =~ /^export (?:class|const) (\w+)/mg;
my ($class) = $types =~ /class GoimClient \{(.*?)^\}/ms;
my @methods = sort $class =~ /^    (?:readonly )?(\w+)/mg;

my $names = run('node', '--input-type=module', '-e', <<"END");
import * as all from '$top/clients/js/goim.js';
const names = (what) => Object.getOwnPropertyNames(what).sort().join(' ');
console.log(names(all));
console.log(names(all.GoimClient.prototype));
console.log(names(all.CLOSE));
END

my ($all, $members, $codes) = split(/\n/, $names);
is($all, join(' ', @exported), 'what is exported has types, nothing else has');
is($members, join(' ', @methods), 'so have the client\'s methods');
is($codes, join(' ', sort $types =~ /readonly ([A-Z_]+):/g),
   'and its close codes');


# What a program says, and how it ended if not well.
sub run {
    my (@command) = @_;

    my $out = "$dir/out";
    unlink($out);
    my $process = Test::Goim::Process->new(
        name => $command[0], dir => $dir, out => $out, argv => \@command);

    $process->wait(60) or $process->stop('KILL');

    my $status = $process->status;

    return slurp($out) . ($status ? "\nstatus $status" : '');
}
