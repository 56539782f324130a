# Whatever of the demo is killed, it tells of it, starts it again, and pushes
# go through as before: for clients that stayed, and for new ones where nginx
# itself was killed, or a worker of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 27;

use Test::Goim::Demo;
use Test::Goim::Util qw(slurp);

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);
my $demo = Test::Goim::Demo->new($goim)->ready;
my $supervisor = $demo->supervisor;
my $client = $demo->connect_ws('live://1000');


# Kills a daemon; the index of the line behind the one that tells of it.
sub kill_daemon {
    my ($name) = @_;

    my $line = $demo->lines;
    my ($pid) = $demo->pids($name);

    kill('KILL', $pid);
    $line = $demo->says(qr/$name \(pid $pid\) was killed by signal 9; it is/,
                        $line);
    pass("that $name was killed is told");

    return $line;
}


# By both ways that the demo names, the last lines of which count.
sub pushes_arrive {
    my ($to, $when) = @_;

    for my $by ('curl', 'printf') {
        my $name = $by eq 'curl' ? 'curl' : 'kcat';

        is($demo->run_line($by), 0, "after $when, $name works");
        is($to->next_body, "hello from $name", 'and its push arrives');
    }
}

for my $name ('goim-job', 'goim-logic') {
    my $line = kill_daemon($name);

    $demo->says(qr/^ready again$/, $line);
    pushes_arrive($client, "the death of $name");
}

# a new mock has another address

my $before = $demo->line('Kafka');
my $line = kill_daemon('mock_kafka');

$demo->says(qr/^Ctrl-C/, $demo->says(qr/^ready again/, $line));
isnt($demo->line('Kafka'), $before, 'Kafka\'s new address is told');
pushes_arrive($client, 'the death of Kafka');

# a worker is nginx's to start again

my ($killed) = my @workers = $demo->pids('worker');

kill('KILL', $killed);
wait_until(15, 'another worker', sub {
    my @now = $demo->pids('worker');
    return @now == 2 && !grep { $_ == $killed } @now;
});
pushes_arrive($demo->connect_ws('live://1000'), 'the death of a worker');

# nginx's workers must not keep the ports, nor live on

$client = $demo->connect_ws('live://1000');
@workers = $demo->pids('worker');

$line = kill_daemon('nginx');
$demo->says(qr/^ready again$/, $line);
like($client->expect_close, qr/^(?:eof|reset)$/,
     'nginx\'s end ends its clients');
is(scalar(grep { kill(0, $_) && slurp("/proc/$_/stat") !~ /\) Z/ } @workers),
   0, 'and the old workers are gone');
pushes_arrive($demo->connect_ws('live://1000'), 'the death of nginx');
