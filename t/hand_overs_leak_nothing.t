# Hand-overs, with other numbers of workers now and then and with clients that
# come and go meanwhile, leave nothing behind: no descriptor, slot, file,
# process, nor memory of the master's; and TLS, which can't be handed over, is
# let go, and counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 7;

use Test::Goim::Leftovers;
use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(workers => 2, http => <<'HTTP',
goim_drain 300ms;
    goim_access_log %%DIR%%/end.log;
HTTP
    servers => <<'SERVERS')->make_certificate->start;
%%TCP_SERVER%%

    server {
        listen 127.0.0.1:%%PORT_tls%% ssl;
        ssl_certificate %%DIR%%/cert.pem;
        ssl_certificate_key %%DIR%%/key.pem;
        %%locations%%
    }
SERVERS

my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = ($goim->connect_many(30, $member),
               map { $goim->connect_tcp(%$member) } 1 .. 30);


sub reload {
    my ($workers) = @_;

    my @guests = $goim->connect_many(10, $member);
    my %old = map { $_ => 1 } $goim->worker_pids;

    $goim->reload(workers => $workers);
    $_->disconnect for @guests;

    return wait_until(30, undef, sub {
        return !grep { $old{$_} } $nginx->old_worker_pids;
    });
}


# what stays for ever comes with the first

my @workers = (1, 3, 2, 2);
reload($_) for @workers;
my $leftovers = Test::Goim::Leftovers->new($goim);
my $middle = $leftovers->memory;

my @ended = map { reload($_) } (@workers) x 3;
is(scalar(grep { $_ } @ended), 12, 'old workers end each time');
is_deeply([$leftovers->differences], [], 'nothing is left of them');

my $tolerance = Test::Goim->sanitized ? 64 * 1024 : 1024;
cmp_ok($leftovers->memory - $middle, '<', $tolerance,
       'the master does not grow');
is(scalar(grep { $_->is_closed } @clients), 0, 'and all clients are there');

# TLS

my $tls = $goim->connect_tls($nginx->extra_port('tls'))->join_room('live://1');
reload(2);
is($tls->expect_close(20), 1012, 'TLS is let go');
is(scalar(grep { $_->is_closed } @clients), 0, 'and nobody else');

# each connection has one line, at its end

$_->disconnect for @clients;
ok(wait_until(20, undef, sub {
    my @lines = split(/\n/, slurp($goim->dir . '/end.log'));
    return @lines == 17 * 10 + 60 + 1;
}), 'each connection has one line in the log, at its end');
