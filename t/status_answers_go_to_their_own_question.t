# A question about a key gets its own answer: a request which is done but not yet
# gone ends no other one's, and what was answered to a worker that has died is
# not taken for an answer to its successor.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Loop qw(patience);

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport', kafka => 0,
                           http => <<'HTTP')->start;
lingering_close always;
    lingering_time 60s;
    lingering_timeout 60s;
HTTP


# A connection to a worker.
sub connected {
    return ($goim->nginx->sockets_to($_[0], 1))[0];
}


sub ask {
    my ($socket, $key, @headers) = @_;

    syswrite($socket, join("\r\n", "GET /goim/status?key=$key HTTP/1.1",
                           'Host: x', @headers, '', ''));
}


# The status of the answer.
sub answer {
    my ($socket) = @_;

    my $answer = '';

    while ($answer !~ /\r\n\r\n\{.*\}/s) {
        my $ready = '';
        vec($ready, fileno($socket), 1) = 1;

        select($ready, undef, undef, 20 * patience()) or return 'none';
        sysread($socket, $answer, 4096, length $answer) or last;
    }

    return $answer =~ m{^HTTP/1.1 (\d+)} ? $1 : 'none';
}


sub asked {
    my ($socket, @question) = @_;

    ask($socket, @question);

    return answer($socket);
}


my $n = 0;
my @clients = $goim->connect_spread(1, sub {
    return { token => { key => 'k' . ++$n } };
});

my ($one, $two) = $goim->nginx->worker_pids;
my ($client) = grep { $goim->worker_of($_) == $two } @clients;
my $key = $client->{token}{key};

is(asked(connected($one), $key), 200, 'another worker\'s key is found');

$goim->nginx->kill_worker(KILL => $one);

my ($successor) = grep { $_ != $two } $goim->nginx->worker_pids;

is(asked(connected($successor), 'nobody'), 404,
   'the successor takes no answer that was its predecessor\'s');

# what is closed on our side first is kept until the client closes, too
my $lingering = connected($successor);
is(asked($lingering, 'nobody', 'Connection: close'), 404,
   'a request that is kept has its answer');

my $other = connected($successor);
my $third = connected($successor);
my $port = $lingering->sockport;

# questions wait as long as the other worker is stopped
kill('STOP', $two);
ask($other, 'nobody');
ask($third, $key);
close($lingering);
wait_until(20, 'the first to be gone', sub {
    return !$goim->nginx->worker_of_ports->{$port};
});
kill('CONT', $two);

like(answer($other), qr/^(404|504)$/, 'the next is answered after its end');
is(answer($third), 200, 'as is one that has waited behind it');
