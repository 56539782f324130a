# worker_shutdown_timeout ends what goim_drain has not: connections of both
# transports, slow ones, those whose message or authentication is still being
# asked about, handshakes; each counted, and the worker ends without an alert.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 13;

use Test::Goim::Util qw(slurp);

# what asks here is never answered
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128)
    or die "listen: $!";
my $nobody = 'proxy_pass http://127.0.0.1:' . $silent->sockport . ';'
             . ' proxy_read_timeout 1h;';

my $locations = <<"LOCATIONS";
location = /nobody { internal; $nobody }
        location = /unheard { goim; goim_auth /nobody;
                              goim_handshake_timeout 1h; }
        location = /checked { auth_request /nobody; goim; goim_auth /auth;
                              goim_handshake_timeout 1h; }
LOCATIONS

my $goim = Test::Goim->new(
    workers => 1, main => 'worker_shutdown_timeout 1s;', http => <<'HTTP',
goim_handover off; goim_drain 1h;
    goim_publish /nobody;
    goim_session /nobody interval=100ms;
    log_format end '$goim_transport $goim_key $goim_close_reason';
    goim_access_log %%DIR%%/end.log end;
    goim_room live://* { backlog 64m; }
HTTP
    location => 'goim_handshake_timeout 1h;', server => $locations,
    servers => <<"SERVERS")->start;
server {
        listen 127.0.0.1:%%PORT_tcp%%;
        goim_tcp /sub;
        %%locations%%
        $locations
    }
    server {
        listen 127.0.0.1:%%PORT_unheard%%;
        goim_tcp /unheard;
        $locations
    }
SERVERS

my $n = 0;


sub token { return { room_id => 'live://1', key => 'k' . ++$n } }


# those that are in

my @ws = map { $goim->connect_ws->auth(token()) } 1 .. 10;
my @tcp = map { $goim->connect_tcp->auth(token()) } 1 .. 10;
my @asking = map { $goim->connect_ws->auth(token()),
                   $goim->connect_tcp->auth(token()) } 1 .. 5;
$_->send_packet(4, 'hello') for @asking;

# one report is on its way as well
ok(wait_until(30, undef, sub {
    return $goim->status->{total}{uplinks} == @asking + 1;
}), 'messages are asked about');

my @slow = ($goim->connect_ws(rcvbuf => 4096)->auth(token()),
            $goim->connect_tcp(rcvbuf => 4096)->auth(token()));
$_->pause for @slow;
$goim->push_room('live://1', 1000, "$_ " . 'x' x 100_000) for 1 .. 45;
is(scalar(grep { ($_->next_body(30) || '') !~ /^1 x/ } @ws, @tcp, @asking), 0,
   'a push reaches those that read');

# those that are not

my @early = map { $goim->connect_ws(path => $_) } ('/sub', '/unheard') x 3;
$_->response for @early;
$_->send_auth(token()) for @early[1, 3, 5];
push @early, $goim->connect_tcp,
    map { Test::Goim::TcpClient->new(
              port => $goim->nginx->extra_port('unheard'), token => token()) }
        1 .. 3;
push @early, $goim->connect_ws(path => '/checked');
push @early, $goim->connect_ws(request => '');

ok(wait_until(30, undef, sub {
    return $goim->status->{total}{handshaking} >= @early - 2;
}), 'others are in their handshakes');

# the end

my ($old) = $goim->worker_pids;
my @in = (@ws, @tcp, @asking, @slow);

$goim->reload(http => 'goim_handover off; goim_drain 1h;');
$_->resume for @slow;

my %how = (ws => {}, tcp => {});
$how{$_->isa('Test::Goim::TcpClient') ? 'tcp' : 'ws'}
    {$_->expect_close(30) || 'none'}++ for @in;
is(join(' ', grep { !/^(eof|reset|1012)$/ } map { keys %$_ } values %how), '',
   'all that were in end') or diag(explain(\%how));
is(scalar(grep { ($_->{close_code} || 0) != 1012 } @ws), 0,
   'those that read are told to come again');
is(scalar(grep { !$_->expect_close(30) } @early), 0,
   'so do those that were not yet');
ok(wait_until(30, undef, sub {
    return !grep { $_->[0] == $old } $goim->nginx->children;
}), 'the worker ends');

my @lines = split(/\n/, slurp($goim->dir . '/end.log'));
my %reason = map { /^\S+ (\S+) (\S+)$/ ? ($1 => $2) : () } @lines;
is_deeply([grep { ($reason{"k$_"} || '') ne 'shutdown' } 1 .. @in], [],
          'and has counted each that was in as its own doing');
is(scalar(grep { !/ shutdown$/ } @lines), 0, 'and all others as well')
    or diag(join("\n", @lines));

ok(wait_until(30, undef, sub {
    return $goim->error_log =~ /worker process $old exited with code 0/;
}), 'its end is in order');
unlike($goim->error_log, qr/\[(crit|alert|emerg)\]/,
       'it has nothing to complain of');

# what is new is served

my $new = $goim->connect_ws->auth(token());
$goim->push_room('live://1', 1000, 'new');
is($new->next_body(30), 'new', 'its successor serves');
is($goim->status->{total}{connections}, 1, 'one and only one');
