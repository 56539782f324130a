# What nginx itself counts as active connections is the same before and after
# hand-overs, also of those that were offered in vain.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::Handover qw(offer gave_up);

my $binary = Test::Goim::binary();

plan(skip_all => 'no stub_status')
    if `$binary -V 2>&1` !~ /--with-http_stub_status_module/;
Test::Goim->plan(7);

use constant CLIENTS => 40;

my $goim = Test::Goim->new(
    workers => 1, server => 'location = /stub { stub_status; }')->start;
my $nginx = $goim->nginx;
my @clients = $goim->connect_many(CLIENTS, {
    token => { room_id => 'live://1' } });


# Whether these many are active, and the one that asks; those before it may
# have still to be closed.
sub is_active {
    my ($n, $name) = @_;

    my $active = -1;

    wait_until(10, undef, sub {
        ($active) = $nginx->get('/stub')->{body} =~ /connections: (\d+)/;
        return $active == $n + 1;
    });

    return is($active, $n + 1, $name);
}


is_active(CLIENTS, 'clients are active connections');

for my $workers (3, 1, 2, 1) {
    $goim->reload(workers => $workers);
    wait_until(20, 'the old workers to end', sub {
        return !$nginx->old_worker_pids;
    });
    is_active(CLIENTS, "after a reload to $workers workers");
}

# one of two stands still, and does not get them

my (undef, $still) = offer($goim, 2, 1);
wait_until(20, 'one not to answer', sub { gave_up($goim) });
CORE::kill('CONT', $still);
wait_until(20, 'the old worker to end', sub { !$nginx->old_worker_pids });
$nginx->expect_workers;
is_active(CLIENTS, 'after one that goes to another worker');

$_->disconnect for @clients;
is_active(0, 'none are left without clients');
