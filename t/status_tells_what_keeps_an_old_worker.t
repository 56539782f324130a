# The status tells what an old worker is there for still: clients in their
# handshake, HTTP requests, or connections that nobody takes over.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Test::More;
use Test::Goim tests => 8;

my $upstream = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die "a socket: $@";
my $port = $upstream->sockport;

my $goim = Test::Goim->new(
    workers => 1, http => 'goim_drain 10m;',
    server => "location /slow { proxy_pass http://127.0.0.1:$port; }")->start;
my $nginx = $goim->nginx;
my ($client) = $goim->connect_many(1, { token => { room_id => 'live://1' } });


# What is said of the workers that shut down, once it is this.
sub is_kept_by {
    my ($what) = @_;

    my @kept = ('nothing');

    wait_until(20, undef, sub {
        @kept = map { $_->{keeps} || 'nothing' }
            grep { $_->{draining} } @{$goim->status->{workers}};
        return "@kept" eq $what;
    });

    return is("@kept", $what, "an old worker is kept by $what");
}


sub has_ended {
    my ($why) = @_;

    return ok(wait_until(20, undef, sub { !$nginx->old_worker_pids }),
              "and ends when $why");
}


my $late = $goim->connect_ws;
$late->response;
$goim->reload;
is_kept_by('handshakes');
is(scalar(grep { exists $_->{keeps} } @{$goim->status->{workers}}), 1,
   'which is said of no other');
$late->auth({ room_id => 'live://1' });
has_ended('they are authenticated');

my $request = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $goim->port) or die $@;
syswrite($request, "GET /slow HTTP/1.0\r\n\r\n");
my $answer = $upstream->accept;
sysread($answer, my $asked, 4096);   # or it is reset in the end
$goim->reload;
is_kept_by('requests');
syswrite($answer, "HTTP/1.0 200 OK\r\n\r\nlate");
close($answer);
has_ended('they are answered');
like(join('', <$request>), qr/late$/, 'as they were to be');

$goim->reload(http => 'goim_handover off;');
is_kept_by('connections');
$_->disconnect for $late, $client;
has_ended('they have gone');
