# An old worker that is there for an HTTP request still has no part any more in
# the connections that it has handed over: what their clients send does not wake
# it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Util qw(slurp);

use constant MESSAGES => 2000;

my $upstream = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die "a socket: $@";
my $port = $upstream->sockport;

my $goim = Test::Goim->new(
    workers => 1, server => "location /slow { proxy_pass "
        . "http://127.0.0.1:$port; proxy_read_timeout 10m; }",
    location => 'goim_packet_rate off;')->start;
my $nginx = $goim->nginx;
my @clients = $goim->connect_many(20, { token => { room_id => 'live://1' } });
my ($old) = $goim->worker_pids;


# How often it has gone to sleep so far.
sub sleeps { return (slurp("/proc/$old/status") =~ /^voluntary.*?(\d+)/m)[0] }


my $request = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $goim->port) or die $@;
syswrite($request, "GET /slow HTTP/1.0\r\n\r\n");
my $answer = $upstream->accept;
sysread($answer, my $asked, 4096);

$goim->reload;
ok(wait_until(20, undef, sub {
    return $goim->counted('moved_out') == @clients;
}), 'an old worker hands its connections over');

my $before = sleeps();
my $answered = grep { defined $clients[$_ % @clients]->heartbeat }
    1 .. MESSAGES;
my $woken = sleeps() - $before;

is($answered, MESSAGES, 'clients are answered');
is(join(' ', $nginx->old_worker_pids), $old, 'and it is there still');
cmp_ok($woken, '<', MESSAGES / 4, 'but not woken for them');

syswrite($answer, "HTTP/1.0 200 OK\r\n\r\nlate");
close($answer);
ok(wait_until(20, undef, sub { !$nginx->old_worker_pids }),
   'it ends when the request does');
