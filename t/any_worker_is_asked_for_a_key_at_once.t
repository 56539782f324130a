# Who is asked for a key asks all other workers, which answer at once: many
# questions have their answers soon, one after the other.  Workers that do not
# answer are named, and dead ones not waited for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Test::Goim tests => 12;

use Test::Goim::Loop qw(patience);

my $goim = Test::Goim->new(workers => 2, listen => 'reuseport', kafka => 0,
                           http => 'client_header_timeout 600s;')->start;

# Seconds for all answers.  Were the workers to look for questions and answers
# once a second only, 60 of them would take 60; it is some hundredths.
use constant ENOUGH => 45;

my $n = 0;
my @clients = $goim->connect_spread(1, sub {
    return { token => { key => 'k' . ++$n } };
});

my ($one, $two) = $goim->nginx->worker_pids;
my ($here, $there) = map {
    my $pid = $_;
    (grep { $goim->worker_of($_) == $pid } @clients)[0]->{token}{key};
} $one, $two;


# Connections to the first worker; there are none to a worker that is stopped,
# so that they are made before.
my @pool = $goim->nginx->sockets_to($one, 160);


# Asks the first worker for all keys at the same time.
sub ask {
    my @keys = @_;

    my @sockets = splice(@pool, 0, scalar @keys);

    syswrite($sockets[$_],
             "GET /goim/status?key=$keys[$_] HTTP/1.0\r\nHost: x\r\n\r\n")
        for 0 .. $#keys;

    return @sockets;
}


# Statuses of the answers, by how many have it; the bodies are kept.
my @bodies;

sub answers {
    my @sockets = @_;

    my (%answer, %statuses);
    my $select = IO::Select->new(@sockets);

    my $end = time + ENOUGH;

    while ($select->count) {
        last if time > $end;

        for my $socket ($select->can_read(1)) {
            sysread($socket, $answer{$socket}, 65536,
                    length($answer{$socket} || '')) and next;
            $select->remove($socket);
        }
    }

    @bodies = map { my ($body) = ($answer{$_} || '') =~ /\r\n\r\n(.*)/s;
                    $body } @sockets;
    $statuses{($answer{$_} || '') =~ m{^HTTP/1.1 (\d+)} ? $1 : 'none'}++
        for @sockets;

    return \%statuses;
}


is_deeply(answers(ask(($there, 'nobody') x 30)), { 200 => 30, 404 => 30 },
          'many questions at once are all answered, each as it should be');
like($bodies[0], qr/"key":"$there".*"pid":$two\b/,
     'with what the other worker knows');

# a worker that is stopped

kill('STOP', $two);

is_deeply(answers(ask('nobody')), { 504 => 1 },
          'without one worker\'s answer nobody knows');
is_deeply(JSON::PP->new->decode($bodies[0])->{silent}, [$two],
          'and it is named');
is_deeply(answers(ask($here)), { 200 => 1 },
          'what the asked one knows itself needs no answer');

my @waiting = ask(('nobody') x 80);
my $select = IO::Select->new(@waiting);
ok($select->can_read(30 * patience()), 'questions that are too many');
sysread(($select->can_read(0))[0], my $text, 12);
is($text, 'HTTP/1.1 503', 'are refused');

kill('CONT', $two);

my $statuses = answers(@waiting);
cmp_ok($statuses->{404} || 0, '>=', 40,
       'those that wait have an answer as soon as it goes on')
    or diag(explain($statuses));
is($statuses->{none} - 1 + ($statuses->{503} || 0) + $statuses->{404}
   + ($statuses->{504} || 0), 79, 'and nobody is forgotten');
is_deeply(answers(ask($there)), { 200 => 1 }, 'its keys are found again');

# a worker that dies

kill('STOP', $two);
@waiting = ask('nobody');
$goim->kill_worker('KILL', $two);
is_deeply(answers(@waiting), { 404 => 1 }, 'a dead worker is not waited for');
is_deeply(answers(ask($there)), { 404 => 1 }, 'and its keys are gone');
