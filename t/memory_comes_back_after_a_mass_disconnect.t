# What thousands of clients took of a worker's memory goes back to the system
# when they leave, although others stay.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

require Test::Goim;
use Test::Goim::Util qw(slurp);

plan(skip_all => 'a sanitizer keeps what was freed') if Test::Goim->sanitized;

Test::Goim->import(tests => 3);

my $clients = 4000;
my $goim = Test::Goim->new(workers => 1, connections => 2 * $clients,
                           kafka => 0)->start;


sub memory {
    my ($pid) = $goim->worker_pids;
    my ($kb) = slurp("/proc/$pid/smaps_rollup") =~ /^Pss_Anon:\s+(\d+)/m;
    return $kb;
}


sub count_to {
    my ($n) = @_;
    return wait_until(60, undef, sub {
        return $goim->status->{total}{connections} == $n;
    });
}


# some stay between those that leave
my $room = { room_id => 'live://1', accepts => [1 .. 20] };
my @stay = $goim->connect_many(5, { token => $room });
my $before = memory();

my @leave = map {
    my $n = $_;
    ($n % 400 == 0 ? push(@stay, $goim->connect_many(1, { token => $room }))
                   : ());
    $goim->connect_ws(token => $room);
} 1 .. $clients;
ok(count_to($clients + @stay), 'thousands come');
my $all = memory();

$_->disconnect for @leave;
ok(count_to(scalar @stay), 'and leave');
ok(wait_until(20, undef, sub {
       return memory() - $before < ($all - $before) / 4;
   }), 'what they took comes back')
    or diag("$before KB, $all KB, ", memory(), ' KB');
