# What nginx decides about a request before goim gets it, it decides about TCP
# clients as well, with the same result as about WebSocket clients; also while
# it waits, and also when the client leaves meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::Util qw(slurp);

my $goim_here = 'goim; goim_auth /auth;';

# location => what stands in it, and the status for TCP and for WebSocket: 101
# is let in.
my @cases = (
    [allow => "allow 127.0.0.0/8; deny all; $goim_here", 101, 101],
    [deny => "deny 127.0.0.0/8; allow all; $goim_here", 403, 403],
    [deny_page => "deny all; error_page 403 /page; $goim_here", 403, 403],
    [deny_answer => "deny all; error_page 403 =200 /page; $goim_here",
     200, 200],
    [closed => "return 444; $goim_here", 444, 444],
    [basic => 'auth_basic realm; auth_basic_user_file %%DIR%%/nginx.conf;'
     . $goim_here, 401, 401],
    [any => 'satisfy any; deny all; auth_request /ask/200;' . $goim_here,
     101, 101],
    [asked_200 => "auth_request /ask/200; $goim_here", 101, 101],
    [asked_204 => "auth_request /ask/204; $goim_here", 101, 101],
    [asked_401 => "auth_request /ask/401; $goim_here", 401, 401],
    [asked_403 => "auth_request /ask/403; $goim_here", 403, 403],
    [asked_500 => "auth_request /ask/500; $goim_here", 500, 500],
    [asked_dead => "auth_request /ask_nobody; $goim_here", 500, 500],
    [asked_late => "auth_request /ask_late/200; $goim_here", 101, 101],
    [asked_late_403 => "auth_request /ask_late/403; $goim_here", 403, 403],
    [asked_set => 'auth_request /ask/200;'
     . ' auth_request_set $who $upstream_http_x_goim_mid; goim;'
     . ' goim_identity mid=$who key=$request_id room=live://1;', 101, 101],
    [only_tcp => 'if ($goim_transport != tcp) { return 403; }' . $goim_here,
     101, 403],
    [not_tcp => "if (\$from_tcp) { return 403; } $goim_here", 403, 101],
    [network => 'if ($network != home) { return 403; }' . $goim_here,
     101, 101],
    [stranger => 'if ($network = home) { return 403; }' . $goim_here,
     403, 403],
    [rewritten => 'rewrite ^ /asked_200 last;', 101, 101],
    [rewritten_out => 'rewrite ^ /asked_403 last;', 403, 403],
    [tried => 'try_files /nothing /asked_late;', 101, 101],
    [tried_named => 'try_files /nothing @named;', 101, 101],
    [tried_nothing => 'try_files /nothing =404;', 404, 404],
    [let_in_by_page => 'deny all; error_page 403 = /sub;', 101, 101],
    [mirrored => "mirror /ask_late/200; $goim_here", 101, 101],
    [once => "limit_req zone=once; $goim_here", 101, 101],
);

my $ask = 'internal; proxy_pass http://127.0.0.1:%%AUTH%%;'
    . ' proxy_pass_request_body off; proxy_set_header Content-Length "";'
    . ' proxy_set_header Cookie';

my $locations = join('', map { "location = /$_->[0] { $_->[1] }\n" } @cases)
    . <<"LOCATIONS";
    location \@named { $goim_here }
    location = /page { return 200 'a page'; }
    location = /ask_nobody { internal; proxy_pass http://127.0.0.1:9; }
    location ~ ^/ask/(?<answer>\\d+)\$ {
        $ask 'token={"mid":7,"test":{"status":\$answer}}';
    }
    location ~ ^/ask_late/(?<answer>\\d+)\$ {
        $ask 'token={"test":{"status":\$answer,"delay":0.3}}';
    }
LOCATIONS

Test::Goim->plan(2 * @cases + 14);

my $goim = Test::Goim->new(
    workers => 1, cases => $locations, server => '%%cases%%',
    http => <<'HTTP', servers => join('', <<'SERVERS', map { <<"SERVER" }
    map $goim_transport $from_tcp { tcp 1; }
    geo $network { default away; 127.0.0.0/8 home; }
    limit_req_zone $goim_transport zone=once:64k rate=1r/m;
    limit_req_zone $server_port zone=late:64k rate=1r/s;
    limit_req_zone $server_port zone=very_late:64k rate=1r/m;
    log_format told '$server_port $request_uri $status';
    access_log %%DIR%%/told.log told;
HTTP
    server {
        listen 127.0.0.1:%%PORT_late%%;
        goim_tcp /sub;
        limit_req zone=late burst=50;
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_very_late%%;
        goim_tcp /sub;
        limit_req zone=very_late burst=5;
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_asked%%;
        goim_tcp /asked_late;
        %%locations%%
        %%cases%%
    }
    server {
        listen 127.0.0.1:%%PORT_real_tcp%% proxy_protocol;
        set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol;
        allow 192.0.2.0/24; deny all;
        goim_tcp /sub;
        %%locations%%
    }
    server {
        listen 127.0.0.1:%%PORT_real_ws%% proxy_protocol;
        set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol;
        allow 192.0.2.0/24; deny all;
        %%locations%%
    }
SERVERS
    server {
        listen 127.0.0.1:%%PORT_of_$_->[0]%%;
        goim_tcp /$_->[0];
        %%locations%%
        %%cases%%
    }
SERVER
    @cases))->start;

for my $case (@cases) {
    my ($name, undef, $tcp_status, $ws_status) = @$case;

    my $port = port("of_$name");
    my $tcp = $goim->connect_tcp(port => $port, token => {});
    is(outcome($tcp, "$port /$name"), outcome_of($tcp_status),
       "$name: TCP");

    my $ws = $goim->connect_ws(path => "/$name", token => {});
    is(outcome($ws, $goim->port . " /$name"), outcome_of($ws_status),
       "$name: WebSocket");
}

my $again = $goim->connect_tcp(port => port('of_once'), token => {});
like($again->expect_close(20), qr/eof|reset/,
     'more than limit_req allows is refused');
is($again->{received}, 0, 'without a word');

# the address that "allow" looks at is that of realip

for my $transport (qw(tcp ws)) {
    for my $case (['192.0.2.7', 1], ['198.51.100.7', 0]) {
        my ($address, $in) = @$case;

        my %opt = (port => port("real_$transport"), token => {},
                   preface => "PROXY TCP4 $address 192.0.2.8 1007 80\r\n");
        my $client = $transport eq 'tcp' ? $goim->connect_tcp(%opt)
                                         : $goim->connect_ws(%opt);

        is(let_in($client), $in, "$transport: a client that is $address");
    }
}

# limit_req with a delay: what the client sends meanwhile is read behind it

my @delayed;
do {
    push @delayed, map { $goim->connect_tcp(port => port('late'),
                                            token => {}) } 1 .. 2;
    let_in($_) for @delayed;
} while ($goim->error_log !~ /delaying request.*zone "late"/ && @delayed < 10);

like($goim->error_log, qr/delaying request.*zone "late"/,
     'limit_req delays a TCP client');
is(scalar(grep { let_in($_) } @delayed), scalar @delayed, 'and lets it in');

# a client that leaves

my @leave = map { $goim->connect_tcp(port => port('very_late'), token => {}) }
    1 .. 3;
ok(wait_until(20, undef, sub { grep { $_->is_authenticated } @leave }),
   'one of three is let in at once');

my @wait = grep { !$_->is_authenticated } @leave;
wait_until(20, undef, sub {
    my @told = $goim->error_log =~ /delaying request.*zone "very_late"/g;
    return @told == 2;
});
$wait[0]->reset;
$wait[1]->disconnect;
is(told(port('very_late') . ' /sub', 3), '101 499 499',
   'those that leave while they are delayed are let go');

my $before = $goim->auth->requests;
my @asked = map { $goim->connect_tcp(port => port('asked'), token => {}) }
    1 .. 2;
ok(wait_until(20, undef, sub { $goim->auth->requests == $before + 2 }),
   'two wait for auth_request');
$asked[0]->reset;
$asked[1]->disconnect;
like(told(port('asked') . ' /asked_late', 2), qr/^\d+ \d+$/,
     'their requests end when it answers');

$_->disconnect for @delayed, @leave;
ok(wait_until(20, undef, sub {
    my $total = $goim->status->{total};
    return $total->{connections}
        == grep { $_->is_authenticated && !$_->is_closed }
                @{$goim->{clients}};
}), 'no connection is left behind');
ok($goim->connect_tcp(port => port('of_allow'))->join_room('live://1'),
   'the next is served');


sub port { return $goim->nginx->extra_port($_[0]) }


sub outcome_of {
    my ($status) = @_;

    return $status == 101 ? 'in, 101' : "out, $status";
}


# How it went for a client, and the status of its one line in the access log.
sub outcome {
    my ($client, $line) = @_;

    my $in = let_in($client);

    return 'heard something'
        if !$in && $client->isa('Test::Goim::TcpClient')
           && $client->{received};
    return ($in ? 'in, ' : 'out, ') . told($line, 1);
}


# Whether it is authenticated, once that is decided.
sub let_in {
    my ($client) = @_;

    wait_until(30, undef, sub {
        return $client->is_authenticated || $client->is_closed
            || ($client->{response} && $client->{response}{status} != 101);
    });

    return $client->is_authenticated ? 1 : 0;
}


# The statuses of the lines in the access log that begin so, when there are
# as many.
sub told {
    my ($line, $count) = @_;

    my @found;

    wait_until(20, undef, sub {
        @found = slurp($goim->dir . '/told.log') =~ /^\Q$line\E (\d+)$/mg;
        return @found >= $count;
    });

    return join(' ', @found);
}
