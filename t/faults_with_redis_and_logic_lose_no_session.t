# Redis is killed, emptied and stopped, goim-logic is killed, workers and goim-job
# die and nginx is reloaded, all at random: who is connected gets each number
# once and in order, and when it is calm goim-logic knows exactly those who are
# there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 5;
use Test::Goim::Chaos;

my $clients = 40;
my $chaos = Test::Goim::Chaos->new(
    clients => $clients, rate => Test::Goim->sanitized ? 10 : 30,
    redis => 1, logic => { auth => { heartbeat => '1h',
                                     heartbeat_max => 10 } });
my $goim = $chaos->goim;


# Of /goim/online/total.
sub online {
    my $answer = $goim->ask_logic('/goim/online/total') or return 'no answer';

    return JSON::PP->new->decode($answer->{body})->{data}{conn_count}
        // $answer->{body};
}


$chaos->run($ENV{GOIM_CHAOS_SECONDS} || 12,
            qw(redis logic redis worker job reload churn));
$chaos->calm;

my $online;
ok($chaos->wait_for(60, undef, sub {
    return ($online = online()) eq $clients;
}), 'goim-logic knows all who are there, and none else')
    or diag("$online, not $clients");

# each of them is found, by a push to its member

my $members = $chaos->found_by_mid;
is(scalar @$members, $clients, 'and finds each of them')
    or diag("found: @$members");

is_deeply($chaos->end, [], 'nothing is lost, doubled or out of order: '
          . $chaos->text);
cmp_ok($chaos->numbers, '>', 200, 'of the ' . $chaos->numbers . ' numbers');

my $total = $goim->status->{total};
is($total->{connections}, $clients, 'nginx counts them, too');
