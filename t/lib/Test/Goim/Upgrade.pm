# An upgrade to an nginx of another version, and back: the files of nginx and of
# the module are replaced in the test's folder, as a package does it.
#
#     plan_upgrades(9);
#     my $goim = Test::Goim->new(upgrade_options(), workers => 2);
#     replace($goim, 'first');
#     $goim->start;

package Test::Goim::Upgrade;

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Copy qw(copy);

use Test::Builder;
use Test::Goim;

our @EXPORT_OK = qw(plan_upgrades upgrade_options replace version);

my $top = dirname(__FILE__) . '/../../../..';
my $other = "$top/build/nginx-san";


# Plans so many checks, or skips them all where there is no other nginx.
sub plan_upgrades {
    my ($checks) = @_;

    my $why = !-x "$other/nginx" || !-f "$other/compiled" ? 'none is built'
        : Test::Goim->sanitized ? 'it is this one'
        # it may have another channel, which this goim-job knows nothing of
        : (grep { -M $_ < -M "$other/compiled" }
           glob("$top/ngx_goim_module/*.[ch] $top/libgoim/*.[ch]"))
            ? 'it is out of date, make nginx-san'
        : '';

    Test::Builder->new->plan(skip_all => "upgrades to another nginx ($why)")
        if $why;
    Test::Goim->plan($checks);
}


sub upgrade_options {
    return (daemon => 'on', binary => 'nginx', module_path => 'module.so');
}


# The files in the test's folder, each anew: those of the "first" nginx, or of
# the "other"; or the first one's nginx with "foreign", a module whose hand-over
# speaks another version.
sub replace {
    my ($goim, $which) = @_;

    my $module = Test::Goim::module();
    $module =~ s{([^/]+)$}{echo/$1} if $which eq 'foreign';

    my %files = $which eq 'other'
        ? (nginx => "$other/nginx",
           'module.so' => "$other/ngx_http_goim_module.so")
        : (nginx => Test::Goim::binary(), 'module.so' => $module);

    for my $name (keys %files) {
        my $path = $goim->dir . "/$name";

        copy($files{$name}, "$path.new") or die "$path.new: $!";
        chmod(0755, "$path.new");
        rename("$path.new", $path) or die "$path: $!";
    }
}


# Of the nginx that answers.
sub version {
    my ($goim) = @_;

    return ($goim->nginx->get('/')->{headers}{server} =~ m{nginx/(\S+)})[0];
}


1;
