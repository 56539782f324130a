# goim_identity believes no value that it can't read, goim_auth no answer: the
# one is told by 400, the other by "try later", as is an auth service that is
# down, broken or late.  The service learns the client's real address.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 37;

my $goim = Test::Goim->new(
    workers => 1,
    server => 'set_real_ip_from 127.0.0.1; real_ip_header X-Client;',
    locations => <<'CONF', servers => <<'SERVERS')->start;
location = /identity {
    goim;
    goim_identity mid=$arg_mid key=$arg_key$http_x_key
                  room=$arg_room$http_x_room
                  accepts=$arg_accepts;
}
location /sub { goim; goim_auth /auth; }
location = /auth {
    internal;
    proxy_pass http://127.0.0.1:%%AUTH%%/auth;
}
location /down { goim; goim_auth /auth-down; }
location = /auth-down {
    internal;
    proxy_pass http://127.0.0.1:%%PORT_nobody%%;
}
location /late { goim; goim_auth /auth-late; }
location = /auth-late {
    internal;
    proxy_read_timeout 300ms;
    proxy_pass http://127.0.0.1:%%AUTH%%/auth;
}
location /missing { goim; goim_auth /no-such-location; }
location /cut { goim; goim_auth /auth-cut; }
location = /auth-cut {
    internal;
    proxy_pass http://127.0.0.1:%%PORT_cut%%;
}
location = /goim/status { goim_status; }
CONF
server {
    listen 127.0.0.1:%%PORT_cut%%;
    return 444;
}
SERVERS

# values of goim_identity

my $most = join(',', 1 .. 1024);

my @good = (
    ['', 'none at all'],
    ['mid=9223372036854775807', 'the largest mid'],
    ['mid=-9223372036854775808', 'the smallest mid'],
    ['key=' . 'k' x 255, 'a key of 255 bytes'],
    ['room=' . 'r' x 255, 'a room of 255 bytes'],
    ['accepts=2147483647,-2147483648', 'the ends of operations'],
    ["accepts=$most", '1024 operations'],
);

my @bad = (
    ['mid=9223372036854775808', 'a larger mid'],
    ['mid=-9223372036854775809', 'a smaller mid'],
    ['mid=12x', 'a mid that is no number'],
    ['mid=-', 'a sign alone'],
    ['key=' . 'k' x 256, 'a key of 256 bytes'],
    ['room=' . 'r' x 256, 'a room of 256 bytes'],
    ['', 'a control character in a room', "live://\x01"],
    ['', 'a control character in a key', undef, "a\tkey"],
    ['accepts=2147483648', 'an operation beyond 32 bits'],
    ['accepts=1,,2', 'a comma too many'],
    ['accepts=all', 'an operation that is no number'],
    ["accepts=$most,1025", '1025 operations'],
);

for my $case (@good) {
    my ($values, $name) = @$case;
    is($goim->connect_ws(path => "/identity?$values")->response->{status},
       101, "identity: $name");
}

for my $case (@bad) {
    my ($values, $name, $room, $key) = @$case;
    is($goim->connect_ws(path => "/identity?$values",
                         headers => { 'X-Room' => $room, 'X-Key' => $key })
           ->response->{status},
       400, "no identity: $name");
}

# answers to the auth packet


# The code by which a client is closed that got such an answer.
sub closed_by {
    my ($headers, %opt) = @_;

    return $goim->connect_ws(%opt, token => {
        test => { headers => $headers, %{$opt{test} || {}} } })
        ->expect_close;
}


is(closed_by({ 'X-Goim-Mid' => 'x' }), 1013, 'a malformed mid: later');
is(closed_by({ 'X-Goim-Accepts' => '1;2' }), 1013, 'accepts: later');
is(closed_by({ 'X-Goim-Heartbeat' => '-1' }), 1013, 'heartbeat: later');
is(closed_by({ 'X-Goim-Heartbeat' => '86401' }), 1013,
   'a heartbeat of more than a day: later');
is(closed_by({ 'X-Goim-Conn' => 'c' x 33 }), 1013,
   'a connection id of 33 bytes: later');
is(closed_by({ 'X-Goim-Key' => 'k' x 256 }), 1013, 'a long key: later');

for my $status (204, 302, 404, 500, 503) {
    is(closed_by({}, test => { status => $status }), 1013, "$status: later");
}

is(closed_by({}, path => '/down'), 1013, 'nobody answers: later');
is(closed_by({}, path => '/cut'), 1013, 'an answer that is none: later');
is(closed_by({}, path => '/missing'), 1013, 'no such location: later');
is(closed_by({}, path => '/late', test => { delay => 30 }), 1013,
   'a timeout of the upstream: later');

# all the same, the worker serves

my $client = $goim->connect_ws(headers => {
    'X-Client' => '192.0.2.7', 'X-Goim-Mid' => '1', 'X-Goim-Server' => 'me',
    'X-Forwarded-For' => '198.51.100.1' })->join_room('live://1');
my ($request) = reverse $goim->auth->requests;
my $headers = $request->{headers};

is($headers->{'x-real-ip'}, '192.0.2.7',
   'the service is told the address that realip found');
is($headers->{'x-forwarded-for'}, '198.51.100.1, 192.0.2.7',
   'behind those of the proxies');
is_deeply([@$headers{qw(x-goim-mid x-goim-server)}], [undef, 'comet-1'],
          'and no X-Goim-* of the client\'s');
