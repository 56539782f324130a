# A kick that was under way for long - goim-job was down, Kafka was away - ends
# the connection that it was meant for, and none that has come with the same
# key since.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 7;

my $goim = Test::Goim->new(workers => 1, logic => 1)->start;
my %token = (mid => 5, key => 'k', room_id => 'live://1', accepts => [1000]);


# Comes again with the key, after what had it before has gone.
sub come_again {
    my $client = $goim->connect_ws->auth(\%token);

    wait_until(20, 'those before to be gone', sub {
        return $goim->status->{total}{connections} == 1;
    });

    return $client;
}


is($goim->job->stop, 0, 'goim-job is stopped');

# each of them replaces the one before, of which goim-logic tells by a kick

my @before = map { come_again() } 1 .. 3;
my $last = come_again();

is(join(',', map { $_->expect_close(20) } @before), '1008,1008,1008',
   'a client comes with its key again and again');

$goim->job->start;
$goim->push_room('live://1', 1000, 'behind all kicks');

is($last->next_body, 'behind all kicks', 'when the kicks come through');
ok($last->is_open, 'the last one stays');
is($goim->status->{total}{closed_kick}, 0, 'nobody is kicked');

my $answer = $goim->ask_logic('/goim/push/keys?operation=1000&keys=k',
                              method => 'POST', body => 'to the key');
like($answer->{body}, qr/"code":0/, 'a push to the key');
is($last->next_body, 'to the key', 'reaches it');
