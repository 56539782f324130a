# The channel's file is removed, cut short, or written over, or loses its
# pipes: no process ends by it, who can get nothing any more is sent away, and
# a reload makes another file and says why.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 33;

use File::Path qw(remove_tree);

use Test::Goim::Util qw(write_over);

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport',
    channel => 'size=64k', http => <<'HTTP', server => <<'SERVER')->start;
goim_drain 300ms;
    goim_session /session interval=100ms;
    goim_room live://* { backlog 64m; }
HTTP
location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

my $member = { numbers => 1, token => { room_id => 'live://1',
                                        test => { heartbeat => 86400 } } };
$goim->auth->session(answer => '');


# what is done, to the file => what the reload then says; whether what is
# mapped can still be used
my @faults = (
    ['is removed', sub { unlink($_[0]) }, qr/has been removed/, 1],
    ['loses its pipes', sub { remove_tree("$_[0].d") }, qr/lost its pipes/,
     1],
    ['is cut short', sub { truncate($_[0], 0) }, qr/no channel, or damaged/],
    ['is filled with zeros', sub { write_over($_[0], "\0") },
     qr/no channel, or damaged/],
    ['is filled with garbage', sub { write_over($_[0], "\xa5") },
     qr/no channel, or damaged/],
);

my $stream = $goim->stream('live://1', count => 1e7, rate => 200);

for my $fault (@faults) {
    my ($name, $do, $says, $usable) = @$fault;

    my @clients = $goim->connect_many(20, $member);
    my @workers = $goim->worker_pids;
    my ($file) = $goim->generations;
    my $log = length $goim->error_log;

    wait_until(20, 'the stream', sub {
        return !grep { !$_->count } @clients });
    $do->($file);

    if ($usable) {
        ok($goim->all_reach($clients[0]->last_number + 200, 20, @clients),
           "the file $name: its clients get what comes");

    } else {
        is(join(',', map { $_->expect_close(20) || 'none' } @clients),
           join(',', ('1012') x 20),
           "the file $name: all clients are told to come again");
        my $answer = $goim->connect_ws->response;
        is($answer->{status}, 503, 'and told "try later" when they do');
        ok($goim->status->{channel}{broken}, 'the status says why');
    }

    is_deeply([$goim->worker_pids], \@workers, 'no worker ends');
    $goim->reload;

    like(substr($goim->error_log, $log),
         qr/\[warn\] .* made generation \d+ of .*$says/,
         'a reload makes another file and says why');
    ok(wait_until(30, undef, sub {
        my @now = $goim->generations;
        return @now == 1 && $now[0] ne $file;
    }), 'and it alone is left') or diag(join("\n", $goim->generations));

    my @new = $goim->connect_many(10, $member);
    wait_until(20, 'the stream to go on', sub {
        return !grep { !$_->count } @new });
    wait_until(20, 'the old clients to go', sub {
        return !grep { !$_->is_closed } @clients });
    is_deeply([map { $_->faults } @clients, @new], [],
              'nobody misses anything while connected');
    $_->disconnect for @new;
}

ok($goim->job->alive, 'goim-job has lived through it all');
like($goim->job->log_text, qr/was cut short or written over/,
     'and said what it met');
