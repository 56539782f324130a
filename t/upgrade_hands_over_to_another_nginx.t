# SIGUSR2 to an nginx of another version, and back: the old one's workers hand
# their connections over to the new one's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Copy qw(copy);
use Test::More;
use Test::Goim;

my $other = "$FindBin::Bin/../build/nginx-san";

plan(skip_all => 'upgrades to another nginx (none is built)')
    if !-x "$other/nginx" || !-f "$other/compiled";
plan(skip_all => 'upgrades to another nginx (it is this one)')
    if Test::Goim->sanitized;

# one of older sources may have another channel, which this goim-job knows
# nothing of
my $top = "$FindBin::Bin/..";
plan(skip_all => 'upgrades to another nginx (it is out of date, make'
     . ' nginx-san)')
    if grep { -M $_ < -M "$other/compiled" }
        glob("$top/ngx_goim_module/*.[ch] $top/libgoim/*.[ch]");

Test::Goim->plan(9);

my %files = (
    first => { nginx => Test::Goim::binary(),
               'module.so' => Test::Goim::module() },
    other => { nginx => "$other/nginx",
               'module.so' => "$other/ngx_http_goim_module.so" },
);

my $goim = Test::Goim->new(
    workers => 2, daemon => 'on', binary => 'nginx',
    module_path => 'module.so',
    http => 'goim_drain 1s;');
replace('first');
$goim->start;

my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my $first = version();
my @old = $goim->connect_many(20, $member);
my $stream = $goim->stream('live://1', count => 1e6, rate => 100);
ok($goim->all_reach(10, 20, @old), "a stream is under way, nginx $first");

for my $to ('other', 'first') {
    replace($to);
    $nginx->upgrade;
    $nginx->quit_old;
    wait_until(30, 'the old master to end', sub { !$nginx->old_alive });

    my $version = version();
    ok($to eq 'first' ? $version eq $first : $version ne $first,
       "SIGUSR2: it is nginx $version");

    my $reached = $old[0]->last_number + 50;
    ok($goim->all_reach($reached, 20, @old), 'the stream goes on');
    is(scalar(grep { $_->is_closed } @old), 0, 'nobody is disconnected');
}

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
ok($goim->all_reach($sent, 20, @old), 'the end of the stream arrives');
is_deeply($goim->faults(undef, $sent, @old), [], 'nothing was missed');


# The files in the test's folder, each anew.
sub replace {
    my ($which) = @_;

    for my $name (keys %{$files{$which}}) {
        my $path = $goim->dir . "/$name";

        copy($files{$which}{$name}, "$path.new") or die "$path.new: $!";
        chmod(0755, "$path.new");
        rename("$path.new", $path) or die "$path: $!";
    }
}


sub version {
    return ($nginx->get('/')->{headers}{server} =~ m{nginx/(\S+)})[0];
}
