# nginx -t, a start and a reload warn when worker_shutdown_timeout would cut
# goim_drain short, wherever each stands and whatever is logged later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(kafka => 0, auth => 0);

for my $case ([1, '30s', '', '30000', '60000'],
              [1, '59999ms', 'goim_drain 60s;', '59999', '60000'],
              [1, '1s', 'goim_drain 1100ms;', '1000', '1100'],
              [0, '60s', ''],
              [0, '2s', 'goim_drain 2s;'],
              [0, '2s', 'goim_drain 1s;'],
              [0, undef, 'goim_drain 1d;'])
{
    my ($warns, $timeout, $drain, @ms) = @$case;
    my $main = $timeout ? "worker_shutdown_timeout $timeout;" : '';
    my ($exit, $text) = $goim->nginx_t(main => $main, http => $drain,
                                       log_level => 'error');
    my ($warning) = $text =~ /\[warn\] (.*)/;
    my $name = "nginx -t, \"$main $drain\"";

    if (!$warns) {
        is("$exit " . ($warning || 'none'), '0 none', "$name: fine");
        next;
    }

    is($exit, 0, "$name: may be");
    like($warning || 'none',
         qr/timeout" \($ms[0]ms\) .* "goim_drain" \($ms[1]ms\)/,
         'but is warned of with both names');
}

my $nginx = $goim->make_nginx;
my ($exit, $text) = $nginx->test(
    all => $nginx->conf_text . 'worker_shutdown_timeout 1s;');
like($text, qr/"worker_shutdown_timeout" \(1000ms\)/,
     'it may stand behind the http block');
($exit, $text) = $nginx->test(goim_http => '', locations => '',
                              main => 'worker_shutdown_timeout 1s;');
ok($exit == 0 && $text !~ /\[warn\]/, 'without a channel there is no drain');

$goim->start;
unlike(slurp($goim->dir . '/nginx.out') . $goim->error_log, qr/\[warn\]/,
       'a start without it is silent');
$goim->reload(main => 'worker_shutdown_timeout 2s;');
like($goim->error_log, qr/\[warn\] .*"worker_shutdown_timeout" \(2000ms\)/,
     'a reload is warned');
