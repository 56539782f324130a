# What the harness promises to find at the end of a test it does find: each
# small test here is right in itself and leaves one fault behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More tests => 8;

my $common = <<'PERL';
use strict;
use warnings;
use Test::More;
use Test::Goim tests => 1;
my $goim = Test::Goim->new(kafka => 0, module => 0, workers => 1,
                           location => 'return 200 here;')->start;
is($goim->nginx->get('/')->{body}, 'here', 'nginx answers');
PERL


# The checks that fail with a test's further lines.
sub failures_of {
    my ($lines) = @_;

    open(my $fh, '-|', $^X, "-I$FindBin::Bin/lib", '-e',
         "BEGIN { open(STDERR, '>', '/dev/null') } $common $lines")
        or die "fork: $!";
    my @text = <$fh>;
    my $ended_well = close($fh);
    my @failed = map { /^not ok \d+ - (.*)/ ? $1 : () } @text;

    return $ended_well ? 'none' : join('; ', @failed) || 'no check';
}


is(failures_of(''), 'none', 'a test without a fault passes');

is(failures_of('kill("KILL", $goim->worker_pids); '
               . 'wait_until(9, "it", sub { $goim->error_log =~ /alert/ });'),
   'no alerts in the error log; the same workers all the time',
   'a worker that dies is noticed');

is(failures_of('$goim->kill_worker("KILL", 0);'), 'none',
   'a worker that was to be killed is in order');

is(failures_of('Test::Goim::Process->new(name => "sleep", '
               . 'dir => $goim->dir, out => "/dev/null", '
               . 'argv => ["sh", "-c", "setsid sh -c \'echo > "'
               . ' . $goim->dir . "/left; sleep 100; :\' &"]);'
               . 'wait_until(9, "it", sub { -e $goim->dir . "/left" });'),
   'no process left over',
   'a process that has left its group is found');

is(failures_of('Test::Goim::Util::spew($goim->dir . "/reports/san.1", '
               . '"ERROR: AddressSanitizer");'),
   'no reports of sanitizers',
   'a sanitizer\'s report is noticed');

is(failures_of('open(my $log, ">>", $goim->dir . "/error.log"); '
               . 'print $log "a.c:1:2: runtime error: so it is\n";'
               . 'close($log);'),
   'no reports of sanitizers',
   'also where a worker\'s log is');

is(failures_of('open(my $log, ">>", $goim->dir . "/error.log"); '
               . 'print $log "[notice] worker process 7 exited with code 1\n";'
               . 'close($log);'),
   'no alerts in the error log',
   'a worker that ends itself is noticed, whatever reloads are under way');

is(failures_of('die "half way";'), 'no check',
   'a test that dies does not pass');
