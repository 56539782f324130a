# limit_conn goes on counting connections that were handed over, and room
# classes, locations and keys of the new configuration hold for them; what has
# no place in it is let go.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 13;

use Test::Goim::Util qw(slurp);

my $http = 'limit_conn_zone $binary_remote_addr zone=perip:64k;'
           . ' goim_drain 300ms;';
my $other = <<'OTHER';
location = /other { goim; goim_auth /auth; }
OTHER

my $goim = Test::Goim->new(workers => 1, http => $http, server => $other,
                           location => 'limit_conn perip 3;'
                               . ' error_log %%DIR%%/place.log info;')->start;
my $nginx = $goim->nginx;
my $member = { token => { room_id => 'live://1' } };


sub reload {
    $goim->reload(@_);
    return wait_until(20, undef, sub { !$nginx->old_worker_pids });
}


# Whether a client may enter, now or soon.
sub enters {
    return wait_until(10, undef, sub {
        my $client = $goim->connect_ws;
        my $enters = $client->response->{status} == 101;
        $client->disconnect if $enters;
        return $enters;
    });
}


my @three = $goim->connect_many(3, $member);
is($goim->connect_ws->response->{status}, 503, 'the fourth is refused');

for my $round (1, 2) {
    ok(reload(), "reload $round");
    is(scalar(grep { $_->is_closed } @three), 0, 'all are still there');
    ok(wait_until(10, undef, sub {
        my $client = $goim->connect_ws;
        my $refused = $client->response->{status} == 503;
        $client->disconnect if !$refused;
        return $refused;
    }), 'the fourth is refused again');
}

# what is said of one still goes to its location's log

$three[0]->reset;
ok(wait_until(10, undef, sub {
    return slurp($goim->dir . '/place.log') =~ /while serving goim client/;
}), 'with its own error_log');
ok(enters(), 'one that ends makes room for one');
$three[1]->disconnect;
$three[2]->disconnect;

# a location that is not there any more; a room that takes fewer

my ($moves) = $goim->connect_many(1, { path => '/other', %$member });
ok(reload(server => '', location => ''), 'a location has gone');
is($moves->expect_close(20), 1012, 'its connections are let go');
is($goim->status->{total}{connections}, 0, 'none of them is counted');

my @many = $goim->connect_many(4, $member);
reload(http => "$http goim_room live://* { max_members 2; }");
wait_until(20, undef, sub { 2 <= grep { $_->is_closed } @many });
wait_until(20, undef, sub { !$nginx->old_worker_pids });
is(scalar(grep { $_->is_closed } @many), 2,
   'so are those that a room does not admit any more');
