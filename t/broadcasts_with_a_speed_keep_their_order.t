# Broadcasts with a speed stay behind each other for every client, however
# fast a later one would be; one without a speed waits for none of them, and
# more than a few of them under way make the oldest go at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

my $goim = Test::Goim->new(workers => 1)->start;
my $n = 100;
my @clients = $goim->connect_many($n, { token => { accepts => [1000] } });


sub total { return $goim->status->{total}{$_[0]} }


# How many wait, by how many clients.
sub those_with {
    my ($number) = @_;

    return scalar grep { $_->waiting >= $number } @clients;
}


# 1 a second alone would take 100 seconds, and the second one a moment

$goim->push_all(1000, 'slow', speed => 1);
$goim->push_all(1000, 'fast', speed => 100_000);
$goim->push_all(1000, 'at once');

ok(wait_until(30, undef, sub { those_with(1) == $n }),
   'what has no speed reaches all');
cmp_ok(those_with(2), '<', $n, 'before what has one');
is(total('paced'), 2, 'of which two are under way');

ok(wait_until(30, undef, sub { those_with(3) }), 'the first get them all');
my @got = map { [$_->bodies] } @clients;
my @two = map { [grep { $_ ne 'at once' } @$_] } @got;

is(scalar(grep { ($_->[0] || 'slow') ne 'slow' } @two), 0,
   'the slow one comes before the fast one');

# six more are as many as may be; the next makes the oldest hurry

$goim->push_all(1000, "more $_", speed => 1) for 1 .. 6;
ok(wait_until(30, undef, sub { total('paced') == 8 }), 'more come');
is(total('paced_hurried'), 0, 'of which none has to hurry');

$goim->push_all(1000, "more $_", speed => 1) for 7 .. 9;
ok(wait_until(10, undef, sub {
    push @{$got[$_]}, $clients[$_]->bodies for 0 .. $n - 1;

    return !grep { !grep { $_ eq 'more 1' } @$_ } @got;
}), 'too many make the oldest reach all');

# the fast one may have been quick by itself

like(total('paced_hurried'), qr/^[23]$/, 'as many as there are too many');

# and so do these

$goim->push_all(1000, "end $_", speed => 1) for 1 .. 8;
my @all = ('slow', 'fast', map { "more $_" } 1 .. 9);
wait_until(10, undef, sub {
    push @{$got[$_]}, $clients[$_]->bodies for 0 .. $n - 1;

    return !grep { !grep { $_ eq 'more 9' } @$_ } @got;
});

my @ends = map { "end $_" } 1 .. 8;
my @wrong = grep {
    my @of = grep { $_ ne 'at once' } @$_;
    my @end = splice(@of, @all);

    "@of" ne "@all" || "@end" ne join(' ', @ends[0 .. $#end]);
} @got;
is(scalar @wrong, 0, 'each client gets all in their order, once')
    or diag(join(' ', @{$wrong[0]}));
is(scalar(grep { 1 != grep { $_ eq 'at once' } @$_ } @got), 0,
   'and the other one once');
