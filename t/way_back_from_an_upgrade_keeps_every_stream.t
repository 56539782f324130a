# An upgrade of the binary that is taken back: the old workers have let their
# clients go, the old master gets workers anew by SIGHUP, the new one quits;
# each client's stream is whole as long as it is connected.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

my $goim = Test::Goim->new(workers => 2, daemon => 'on',
                           http => 'goim_handover off; goim_drain 2s;')->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my $generation = $goim->status->{channel}{generation};
my $master = $nginx->pid;


# The number of a stream that clients reach, some time from now.
sub goes_on {
    my (@clients) = @_;

    my $reached = $clients[0]->last_number + 100;

    return $goim->all_reach($reached, 30, @clients);
}


# How the connections of clients end.
sub ends_of {
    my %code;
    $code{$_->expect_close(30) || 'none'}++ for @_;

    return \%code;
}


my $stream = $goim->stream('live://1', count => 1e7, rate => 200);
my @first = $goim->connect_many(20, $member);

# there: the old workers go, the old master stays

$nginx->upgrade;
my @second = $goim->connect_many(20, $member);
ok(goes_on(@first, @second), 'old and new workers have the stream');

kill('WINCH', $master);
is_deeply(ends_of(@first), { 1012 => 20 },
          'SIGWINCH: the old workers let their clients go');
ok(wait_until(30, undef, sub {
    return !grep { $_->[2] == $master && $_->[1] =~ /worker process/ }
        $nginx->children;
}), 'and end');
my @third = $goim->connect_many(20, $member);
ok(goes_on(@third), 'who comes then has the stream from the new ones');

# and back

$nginx->downgrade;
is($nginx->pid, $master, 'the old master has workers again');
my @ends = (@second, @third);
is_deeply(ends_of(@ends), { 1012 => scalar @ends },
          'the new master\'s workers let their clients go');
ok(wait_until(30, undef, sub { !$nginx->old_alive }), 'the new master ends');

my @last = $goim->connect_many(20, $member);
ok(goes_on(@last), 'who comes then has the stream from the old master\'s');
is($goim->status->{channel}{generation}, $generation,
   'all of them had it from the same generation of the channel');

$goim->producer->stop_streams;
my $sent = $goim->producer->wait_stream($stream);
$goim->all_reach($sent, 30, @last);
is_deeply([@{$goim->faults(undef, $sent, @last)},
           @{$goim->faults(undef, undef, @first, @second, @third)}], [],
          'nobody missed anything while connected');
