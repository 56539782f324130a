# The tools that all other tests build on: the mock cluster keeps what the
# producer sends, in goim's form, partitioned and ordered as Kafka would.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 8;

use Test::Goim::Packet qw(unhex);

my $goim = Test::Goim->new(auth => 0, nginx => 0, job => 0,
                           topics => { 'goim-push-topic' => 3 });
$goim->start_kafka;

my $bootstrap = $goim->kafka->bootstrap;


# [partition, offset, key, value] of all messages.
sub consume {
    my $text = qx{kcat -C -b $bootstrap -t goim-push-topic -o beginning -e \\
                  -q -X check.crcs=true -f '%p %o %k %R%s'};
    my @messages;

    while (length $text) {
        $text =~ s/^(\d+) (\d+) (\S*) // or die 'not as asked of kcat';
        my ($partition, $offset, $key) = ($1, $2, $3);
        my $len = unpack('N', substr($text, 0, 4, ''));
        push @messages, [$partition, $offset, $key,
                         substr($text, 0, $len, '')];
    }

    return @messages;
}


# vectors of goim's own encoder and partitioner

my ($partition) = @{$goim->push_room('live://1000', 1000, 'hello')};
is($partition, 2, 'a room\'s partition is the one goim chooses');

($partition) = @{$goim->push_keys(['k1', 'k2'], 1000, 'hello',
                                  server => 'comet-1')};
is($partition, 1, 'the first key decides where a push to keys goes');

$goim->push_all(1000, 'hello', speed => 64);

my %value = map { unpack('H*', $_->[3]) => 1 } consume();
is(scalar keys %value, 3, 'all of it is in Kafka');
ok($value{'080110e8072a0b6c6976653a2f2f313030303a0568656c6c6f'},
   'a push to a room has goim\'s bytes');
ok($value{'10e8072207636f6d65742d3132026b3132026b323a0568656c6c6f'},
   'so has a push to keys');
ok($value{'080210e80718403a0568656c6c6f'}, 'and one to all');

# a stream through an outage

my $count = 5000;
my $stream = $goim->stream('live://7', count => $count, rate => 5000);

$goim->kafka->down(1);
wait_until(10, 'time for the producer to notice', sub {
    my $log = Test::Goim::Util::slurp($goim->dir . '/produce.err');
    return $log =~ /Disconnected|refused|down/;
});
$goim->kafka->up(1);

is($goim->producer->wait_stream($stream), $count,
   'a stream is acknowledged through an outage');

my @numbers = map { $_->[3] =~ /(\d{8})$/ ? $1 + 0 : () }
    sort { $a->[1] <=> $b->[1] } grep { $_->[2] eq 'live://7' } consume();
is_deeply(\@numbers, [1 .. $count], 'each number is there once, in order');
