# A member's number may be any of 64 bits, the least one too: it is told as it
# is to whoever hears of it - logs, session reports, the service that publishes
# a message, the status.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 4 * 4;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(
    workers => 1, http => <<'HTTP', server => <<'SERVER')->start;
goim_session /session interval=100ms;
    goim_publish /publish;
    log_format end '$goim_key $goim_mid';
    goim_access_log %%DIR%%/end.log end;
HTTP
location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
        location = /publish { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

my $auth = $goim->auth;
my %mid = (least => '-9223372036854775808', negative => '-1',
           none => '0', greatest => '9223372036854775807');

$auth->session(answer => '');

for my $key (sort keys %mid) {
    my $mid = $mid{$key};
    my $client = $goim->connect_ws->join_room(
        'live://1', key => $key,
        test => { headers => { 'X-Goim-Mid' => $mid } });

    ok(wait_until(20, undef, sub {
        return grep { /^connect \S+ $key \Q$mid\E / }
            map { split(/\n/, $_) } $auth->bodies('/session');
    }), "$key: a session report tells it");

    $client->send_packet(4, 'hello');
    $client->reply(5);
    my ($asked) = reverse grep { $_->{path} eq '/publish' } $auth->requests;
    is($asked->{headers}{'x-goim-mid'}, $mid, 'who publishes is told it');

    # no number of Perl's
    my $page = $goim->nginx->get("/goim/status?key=$key")->{body};
    is(($page =~ /"mid":([-\d]+)/)[0], $mid, 'the status tells it');

    $client->disconnect;
    ok(wait_until(20, undef, sub {
        return grep { $_ eq "$key $mid" }
            split(/\n/, slurp($goim->dir . '/end.log'));
    }), 'and so does the log of its end');
}
