# The $goim_... variables say who a connection is in nginx's access log, and
# goim_access_log has a line for each that ends: how, and after how much.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 17;

use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(
    workers => 1,
    http => <<'HTTP',
log_format who '$goim_transport $goim_mid $goim_key $goim_room $status';
    log_format end '$goim_transport $goim_mid $goim_key $goim_room '
                   '$goim_close_reason $goim_sent/$goim_dropped '
                   '$remote_addr $status $bytes_sent';
    map $goim_close_reason $kicked { kick 1; }
    access_log %%DIR%%/who.log who;
    goim_access_log %%DIR%%/end.log end;
    goim_handover off; goim_drain 1s;
HTTP
    location => <<'LOCATION',
goim_access_log %%DIR%%/end.log end;
            goim_access_log %%DIR%%/kicked.log end if=$kicked;
LOCATION
    server => <<'SERVER',
location = /quiet {
            goim; goim_access_log off; goim_auth /auth;
        }
        location = /inherits { goim; goim_auth /auth; }
        location = /no { if ($goim_transport) { return 403; }
                         goim; goim_auth /auth; }
SERVER
    servers => '%%TCP_SERVER%%')->start;

my $dir = $goim->dir;


# The one line of a log that matches, when it is there.
sub line {
    my ($log, $pattern) = @_;

    my @lines;

    wait_until(20, undef, sub {
        @lines = grep { /$pattern/ } split(/\n/, slurp("$dir/$log.log"));
        return @lines;
    });

    return @lines == 1 ? $lines[0] : scalar(@lines) . ' lines';
}


my $ws = $goim->connect_ws->join_room('live://1', mid => 17, key => 'first');
is(line('who', 'first'), 'websocket 17 first live://1 101',
   'the handshake\'s line names the client');

my $refused = $goim->connect_ws(token => 'no token');
is($refused->expect_close, 1008, 'another is refused');
is(line('who', '^websocket - - - 101'), 'websocket - - - 101',
   'nobody is named who was refused');
is(line('end', 'refusal'), 'websocket - - - refusal 0/0 127.0.0.1 101 '
   . $refused->{received}, 'and its end is logged with the reason');

# how it went

$goim->push_room('live://1', 1000, "message $_") for 1 .. 3;
is($ws->next_body, "message $_", "message $_ arrives") for 1 .. 3;

$ws->close_politely;
$ws->expect_close;
is(line('end', 'first'), "websocket 17 first live://1 client 3/0 127.0.0.1 101"
   . " $ws->{received}", 'the end\'s line has counts, and all bytes');

my $tcp = $goim->connect_tcp->auth({ room_id => 'live://2', mid => -3,
                                     key => 'second' });
$goim->kick(['second'], reason => 'bye');
is($tcp->expect_close, 'eof', 'a TCP client is kicked');
is(line('end', 'second'), "tcp -3 second live://2 kick 0/0 127.0.0.1 101"
   . " $tcp->{received}", 'so its line says, with the room it was in');
is(line('kicked', '.'), line('end', 'second'),
   '"if=" and several logs work as they do for access_log');

# where

my $quiet = $goim->connect_ws(path => '/quiet')
    ->join_room('live://1', key => 'third');
my $inherits = $goim->connect_ws(path => '/inherits')
    ->join_room('live://1', key => 'fourth');
$_->close_politely, $_->expect_close for $quiet, $inherits;
like(line('end', 'fourth'), qr/ client /, 'a location inherits the log');
unlike(slurp("$dir/end.log"), qr/third/, '"off" switches it off');

is($goim->connect_ws(path => '/no')->response->{status}, 403,
   '$goim_transport is known before the handshake');

my @requests = grep { / 101$/ } split(/\n/, slurp("$dir/who.log"));
is(scalar @requests, 5, 'access_log has its own lines, one per handshake');

# a worker's end

my $last = $goim->connect_ws->join_room('live://1', key => 'last');
$goim->reload(http => <<'HTTP', location => '');
log_format end '$goim_key $goim_close_reason';
    goim_access_log %%DIR%%/end.log end;
HTTP
is($last->expect_close(30), 1012, 'a reload lets the connection go');
like(line('end', 'last'), qr/^websocket 0 last live:\/\/1 shutdown /,
     'its line is in the format of the worker that it was on');
