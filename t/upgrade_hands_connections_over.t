# SIGUSR2, and SIGQUIT to the old master: its workers hand their connections
# over to the new master's; so they do on the way back. SIGQUIT alone lets them
# go by goim_drain.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

my $goim = Test::Goim->new(workers => 2, daemon => 'on',
                           http => 'goim_drain 500ms;',
                           servers => '%%TCP_SERVER%%')->start;
my $nginx = $goim->nginx;
my $member = { numbers => 1, token => { room_id => 'live://1' } };
my @clients = ($goim->connect_many(60, $member),
               map { $goim->connect_tcp(%$member) } 1 .. 20);

my $stream = $goim->stream('live://1', count => 1e7, rate => 200);
ok($goim->all_reach(50, 20, @clients), 'a stream is under way');

for my $round (1, 2) {
    $nginx->upgrade;
    is(scalar(grep { $_->is_closed } @clients), 0,
       "upgrade $round: nobody is disconnected");

    $nginx->quit_old;
    ok(wait_until(20, undef, sub { !$nginx->old_alive }),
       'the old master ends');

    my $reached = $clients[0]->last_number + 100;
    ok($goim->all_reach($reached, 20, @clients), 'the stream goes on');
}

$goim->producer->stop_streams;
my $count = $goim->producer->wait_stream($stream);
$goim->all_reach($count, 20, @clients);
is_deeply($goim->faults(undef, $count, @clients), [],
          'everybody got everything once, and in order');
is(scalar(grep { $_->is_closed } @clients), 0,
   'over the same connections as before');
is($goim->counted('handover_drained'), 0, 'none was let go');

CORE::kill('QUIT', $nginx->pid);
my %code;
$code{$_->expect_close(20) || 'none'}++ for @clients;
is_deeply(\%code, { 1012 => 60, eof => 20 }, 'the end of all lets them go');
wait_until(20, 'nginx to end', sub { !$nginx->alive });
