# A goim-logic that never reached Kafka notices it without a push, and SIGTERM
# ends it with 0 although librdkafka takes its time to end without a broker:
# nothing uses the parts that are gone meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 12;

use Test::Goim::Util qw(reserve_ports);

my $goim = Test::Goim->new(nginx => 0, job => 0, logic => {})->start;
my $port = reserve_ports(1);
my $logic = $goim->add_logic(http => { listen => "127.0.0.1:$port" },
                             kafka => { brokers => '127.0.0.1:1' });

for my $turn (1 .. 6) {
    my $before = -e $logic->{log} ? length $logic->log_text : 0;
    $logic->start;
    ok(wait_until(20, undef, sub {
        return substr($logic->log_text, $before) =~ /kafka can't be reached/;
    }), "Kafka is missed, turn $turn");

    is($logic->stop, 0, "0 at SIGTERM, turn $turn");
}
