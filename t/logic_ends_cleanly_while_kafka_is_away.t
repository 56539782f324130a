# SIGTERM ends goim-logic with 0 although librdkafka takes its time to end
# without a broker: nothing uses the parts that are gone meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

use Test::Goim::Util qw(reserve_ports);

my $goim = Test::Goim->new(nginx => 0, job => 0, logic => {})->start;
my $port = reserve_ports(1);
my $logic = $goim->add_logic(http => { listen => "127.0.0.1:$port" },
                             kafka => { brokers => '127.0.0.1:1' });

for my $turn (1 .. 6) {
    $logic->start;
    wait_until(10, 'goim-logic to miss Kafka', sub {
        return $logic->log_text =~ /Connection refused/;
    });

    is($logic->stop, 0, "0 at SIGTERM, turn $turn");
}
