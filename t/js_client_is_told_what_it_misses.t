# The JavaScript client asks for gaps if somebody listens to them as it
# connects, and tells of each in its place; another client does not ask.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 6;

my $goim = Test::Goim->new(workers => 1, channel => 'size=32k stall=2s')
    ->start;
my $client = $goim->js_client(gaps => 1, token => {
    room_id => 'live://1', goim => { other => 1 } })->connected;
my $other = $goim->js_client(token => { room_id => 'live://1' })->connected;

my @tokens = map { decode_json($_) } $goim->auth->bodies('/auth');
is_deeply($tokens[0]{goim}, { gap => JSON::PP::true, other => 1 },
          'it asks, beside what its token asks for');
is($tokens[1]{goim}, undef, 'another does not');

$goim->push_room('live://1', 18, '{"gap":5}');
is_deeply([map { $_->event('message')->{op} } $client, $other], [18, 18],
          'a push with the operation of a notice is a push');

my ($pid) = $goim->worker_pids;
$goim->kill_worker('STOP', $pid);
$goim->producer->wait_stream($goim->stream('live://1', count => 1000,
                                           size => 100));
$goim->push_room('live://1', 1000, 'last');

wait_until(30, 'goim-job to go on without the worker', sub {
    return ($goim->committed('goim-push-comet-1', 0) || 0) >= 1002;
});
kill('CONT', $pid);

is($client->event('gap', 20), 0, 'it tells of a gap, of unknown length');
my $text;
do { $text = $client->next_text(20) } while $text ne 'last';
is($client->waiting('gap'), 0, 'once');
is($other->waiting('gap'), 0, 'and another hears of none');
