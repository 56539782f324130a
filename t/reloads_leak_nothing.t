# Reloads with clients of both transports coming and going, and with other
# numbers of workers now and then, leave nothing behind: no descriptor, slot,
# file, process, nor memory of the master's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Leftovers;

my $goim = Test::Goim->new(workers => 2, http => <<'HTTP',
goim_handover off;
    goim_drain 300ms;
    goim_session /session interval=100ms;
    goim_publish /auth;
    goim_access_log %%DIR%%/end.log;
    goim_room live://* { backlog 64k; }
HTTP
    server => <<'SERVER', servers => <<'SERVERS')->start;
location = /hasty { goim; goim_auth /auth; goim_handshake_timeout 300ms; }
        location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER
%%TCP_SERVER%%
SERVERS

my $auth = $goim->auth;
$auth->session(answer => '');

my $member = { numbers => 1, token => { room_id => 'live://1' } };
my (@clients, @codes);


# Some come, half of them leave by themselves, those that were there are let
# go by the reload.
sub come_and_go {
    my (%conf) = @_;

    my @come = ($goim->connect_many(10, $member),
                map { $goim->connect_tcp(%$member) } 1 .. 10);
    push @come, my $unknown = $goim->connect_ws(path => '/hasty');
    $unknown->response;
    $_->send_packet(4, 'hello') for @come[0 .. 4];
    $goim->push_room('live://1', 1000, 'hello');
    $come[$_]->disconnect for 5 .. 14;

    $goim->reload(%conf);

    return @come[0 .. 4], @come[15 .. 20];
}


# All that reloads had to let go has gone, and so have its workers.
sub settle {
    push @codes, map { $_->expect_close(30) || 'none' } @_;

    return wait_until(60, undef, sub { !$goim->nginx->old_worker_pids });
}


# what stays for ever comes with the first

settle(come_and_go());
my $leftovers = Test::Goim::Leftovers->new($goim);
my $start = $leftovers->memory;

my @workers = (2, 1, 3, 2, 2);
settle(come_and_go(workers => $_)) for @workers;
my $middle = $leftovers->memory;

# those before still let go while the next ones come
settle(map { come_and_go(workers => $_) } @workers);
my $end = $leftovers->memory;

is(scalar(grep { !/^(1012|eof|1008)$/ } @codes), 0,
   'all reloads let their clients go') or diag(join(' ', @codes));
is(scalar @codes, 11 * 11, 'by reloads and none else');
is_deeply([$leftovers->differences], [], 'nothing is left of them');

# a sanitizer keeps what was freed for a while
my $tolerance = Test::Goim->sanitized ? 64 * 1024 : 1024;
cmp_ok($end - $middle, '<', $tolerance, 'the master does not grow')
    or diag("$start, $middle, $end KB");

my $last = $goim->connect_ws->join_room('live://2');
$goim->push_room('live://2', 1000, 'last');
is($last->next_body, 'last', 'and all is served as at the start');
