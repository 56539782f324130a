# The bench's clients come by WebSocket and goim's TCP, with and without TLS,
# get what is pushed, and come back when they are cut off; TLS sessions can be
# taken up again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 17;

use Test::Goim::Process;

my $tls = 'ssl_certificate %%DIR%%/cert.pem;
    ssl_certificate_key %%DIR%%/key.pem;';

my $goim = Test::Goim->new(workers => 1, servers => <<"CONF");
%%TCP_SERVER%%
server {
    listen 127.0.0.1:%%PORT_wss%% ssl;
    $tls
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_tcps%% ssl;
    goim_tcp /sub;
    $tls
    %%locations%%
}
CONF

$goim->make_certificate->start;


# Twenty clients, half of them in each of two rooms.
sub load {
    my ($scheme, %env) = @_;

    my $port = $scheme eq 'ws' ? $goim->port
                               : $goim->nginx->extra_port($scheme);

    return Test::Goim::Process->new(
        name => 'goim_load', dir => $goim->dir, pipe => 1, env => \%env,
        out => $goim->dir . '/load.err',
        argv => ["$goim->{tools}/goim_load", "$scheme://127.0.0.1:$port",
                 '/sub', 20, "{\"room_id\":\"$scheme://%d\"}", 2]);
}


sub answer { return JSON::PP->new->decode($_[0]->answer(qr/^\{/, 20)) }


# Whether so many messages have come since the last reset, and no more.
sub gets {
    my ($load, $n) = @_;

    return wait_until(20, undef, sub {
        $load->say('stats');
        my $stats = answer($load);
        return $stats->{messages} >= $n && $stats;
    })->{messages} == $n;
}


for my $scheme (qw(ws tcp wss tcps)) {
    my $load = load($scheme);
    is(answer($load)->{ready}, 20, "$scheme: all get ready");

    $goim->push_room("$scheme://1", 1000, '1');
    ok(gets($load, 10), '… and those of a room what is pushed to it');

    $load->say('reset', 'cut');
    is(answer($load)->{messages}, 0, '… a reset counts anew');
    is(answer($load)->{ready}, 20, '… and who is cut off comes back');

    $load->stop;
}

# one after the other: the second finds what the first has kept
my $load = load('wss', GOIM_LOAD_RESUME => 1, GOIM_LOAD_PENDING => 1);
is(answer($load)->{resumed}, 19, 'TLS sessions are taken up again');
$load->stop;
