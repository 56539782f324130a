# One key stands for one connection on all hosts: goim-logic sends the older
# one away when its key comes again, and what the older one's end says later
# harms the younger one nothing; also when goim-logic was started anew.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 14;

my $one = Test::Goim->new(logic => 1)->start;
my $two = Test::Goim->new(
    logic => $one, server_id => 'comet-2',
    job => { job => { server_id => 'comet-2' } })->start;


# A push to a key, through goim-logic.
sub push_key {
    my ($key, $body) = @_;

    my $answer = $one->ask_logic("/goim/push/keys?operation=1000&keys=$key",
                                 method => 'POST', body => $body);
    return $answer && $answer->{body} eq '{"code":0,"message":""}';
}


# What a client is told at its end.
sub reason_of {
    my ($client) = @_;

    $client->expect_close(30);

    return $client->{close_reason};
}


# Waits until goim-logic's copy of the counts says so.
sub wait_conns {
    my ($n) = @_;

    return wait_until(30, undef, sub {
        my $answer = $one->ask_logic('/goim/online/total') or return;
        return $answer->{body} =~ /"conn_count":$n,/;
    });
}


my %token = (mid => 5, key => 'k', accepts => [1000]);

# away from one host and back
my $first = $one->connect_ws->auth(\%token);
my $second = $two->connect_ws->auth(\%token);

is(reason_of($first), 'replaced', 'the older one is sent away');
ok(wait_conns(1), 'its end is told');
ok(push_key('k', 'to the younger'), 'a push to the key');
is($second->next_body, 'to the younger', 'reaches the younger one');

my $third = $one->connect_ws->auth(\%token);
is(reason_of($second), 'replaced', 'and back again');
ok(push_key('k', 'to the youngest'), 'a push to the key');
is($third->next_body, 'to the youngest', 'reaches the youngest');

# goim-logic is started anew, and has forgotten all
$one->logic->kill9;
$one->logic->start;

ok(wait_conns(1), 'the workers tell a new goim-logic of everything');
ok(push_key('k', 'found again'), 'a push to the key');
is($third->next_body, 'found again', 'finds the client');

my $fourth = $two->connect_ws->auth(\%token);
is(reason_of($third), 'replaced',
   'and a key that comes again is noticed');

# a killed worker's sessions end with it
$two->kill_worker('KILL', scalar $two->worker_of($fourth));
ok(wait_conns(0), 'a killed worker\'s connections are not counted any more');
my $fifth = $one->connect_ws->auth(\%token);
ok(push_key('k', 'after a kill'), 'a push to a key of a killed worker');
is($fifth->next_body, 'after a kill', 'reaches who has it now');
