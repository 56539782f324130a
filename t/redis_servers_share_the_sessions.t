# Sessions are shared by several Redis servers: while one is away the others'
# keys and members work on, and what was missed is told again when it is back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 33;

my $goim = Test::Goim->new(nginx => 0, kafka => 0, auth => 0)->start;
my @redis = map { $goim->add_redis->start } 1 .. 3;

# goim's own places of "0" to "3": node 1, 2, 1 and 3, see ls_ring_test.c; all
# servers here have their place on the first
my @mids = (10, 1, 2, 123);
my $store = $goim->add_store(servers => \@redis, away => 3000)
    ->ready(map { "k$_" } 1 .. 20);


# Keys of a server, "key_" taken off.
sub keys_of {
    my ($redis, $pattern) = @_;

    my $keys = $redis->command('KEYS', "${pattern}*");

    return map { substr($_, length $pattern) } @$keys;
}


my @lines = map { "connect c$_ k$_ $_ tcp 10.0.0.$_ 1000" } 1 .. 200;
is($store->report('s1 0 5 complete 200', @lines), 'ok',
   'a report tells of many');

my %place = map { my $i = $_; map { $_ => $i } keys_of($redis[$i], 'key_') }
    0 .. 2;
is(scalar(keys %place), 200, 'each key is on one server');
is(scalar(grep { keys_of($_, 'key_') > 20 } @redis), 3, 'all have some');
is(scalar(map { keys_of($_, 'mid_') } @redis), 200, 'members as well');

my %mid = map { my $i = $_; map { $_ => $i } keys_of($redis[$i], 'mid_') }
    0 .. 2;
is(join(' ', map { $mid{$_} + 1 } 1, 2, 10, 123), '2 1 1 2',
   'in the places that goim has for them');

is($store->ask(join(' ', 'keys', map { "k$_" } 1 .. 200)),
   join(' ', 'ok', map { "k$_\@s1" } 1 .. 200), 'all keys are found');
is($store->ask(join(' ', 'mids', 1 .. 200)),
   join(' ', 'ok', sort map { "k$_\@s1" } 1 .. 200), 'and all members');
is($store->ask('online'), 'ok s1=200/200', 'online counts them');

# one of them goes away: not that of s1
my ($home) = grep { keys_of($redis[$_], 'goim:server:') } 0 .. 2;
my ($gone) = grep { $_ != $home } 0 .. 2;
my @there = grep { $place{"k$_"} != $gone && $mid{$_} != $gone } 1 .. 200;
my @away = grep { $place{"k$_"} == $gone } 1 .. 200;

$redis[$gone]->freeze;
ok(wait_until(20, undef, sub {
    $store->ask("keys k$away[0]") =~ /^again/;
}), 'one does not answer any more');

is($store->ask(join(' ', 'keys', map { "k$_" } @there)),
   join(' ', 'ok', map { "k$_\@s1" } @there),
   'keys of the others are found');
is($store->ask(join(' ', 'mids', @there)),
   join(' ', 'ok', sort map { "k$_\@s1" } @there), 'and members');
is($store->ask("keys k$away[0] k$there[0]"),
   "again k$away[0]\@ k$there[0]\@s1",
   'of both kinds, those that are there');
is($store->ask("connect k$there[0] $there[0] s2 d1 2000"),
   "ok k$there[0]\@s1!d1<c$there[0]", 'connections come in');
is($store->ask("connect k$away[0] $there[0] s2 d2 2000"), 'again',
   'but for keys of the one');
is($store->ask('up'), '1', 'the store is up');

# for a short time reports are kept, then they do without it
my @new = ("connect e1 k$there[1] $there[1] tcp ::1 3000",
           "connect e2 k$away[1] $away[1] tcp ::1 3000",
           "disconnect c$away[2] k$away[2] $away[2] client");
is($store->report('s1 0 5 complete 200', @new),
   "again k$there[1]\@s1!e1<c$there[1]", 'a report that it has a part in has to wait');
ok(wait_until(60, undef, sub {
    $store->report('s1 0 5 complete 200', @new) eq 'ok';
}), 'but not for long');
is($store->ask("keys k$there[1]"), "ok k$there[1]\@s1",
   'what the others hold of it is there');

# it is back, and has missed something
sub is_told_again {
    my ($epoch, $name) = @_;

    my $answer;
    wait_until(60, undef, sub {
        $answer = $store->report("s1 0 $epoch complete 200",
                                 "renew c$there[2] k$there[2] $there[2]");
        return $answer ne 'ok';
    });
    is($answer, 'ok resync', $name);

    $epoch++;
    $store->report("s1 0 $epoch partial 200", @lines);
    $store->report("s1 0 $epoch complete 200", @new[0, 1]);

    my @all = grep { $_ != $away[2] && $_ != $there[0] } 1 .. 200;
    is($store->ask(join(' ', 'keys', map { "k$_" } @all)),
       join(' ', 'ok', map { "k$_\@s1" } @all), 'and all are found again');
    is($store->ask(join(' ', 'mids', @all)),
       join(' ', 'ok', sort map { "k$_\@s1" } @all), 'also by members');

    is($store->report("s1 0 $epoch complete 200"), 'ok',
       'and nothing has to be told again');
}


@lines = grep { !/ k$away[2] / } @lines;

$redis[$gone]->thaw;
is_told_again(5, 'when it is back the worker is to tell of everything again');
ok(wait_until(20, undef, sub {
    $store->ask("keys k$away[2]") eq "ok k$away[2]\@";
}), 'what has ended meanwhile ends there');

# it answers, but takes nothing any more
$redis[$gone]->command('CONFIG', 'SET', 'maxmemory', 1);
push @new, "connect f1 k$away[3] $away[3] tcp ::1 4000",
    "connect f2 k$there[3] $there[3] tcp ::1 4000";
ok(wait_until(60, undef, sub {
    $store->report('s1 0 6 complete 200', @new) =~ /^ok/;
}), 'reports go on when it is full');
is($store->ask("keys k$there[3]"), "ok k$there[3]\@s1",
   'with those of others');
$redis[$gone]->command('CONFIG', 'SET', 'maxmemory', 0);
is_told_again(6, 'when it is not full any more all is told again');

# it loses all
$redis[$gone]->kill9;
$redis[$gone]->start;
is_told_again(7, 'also when it has lost what it had');
