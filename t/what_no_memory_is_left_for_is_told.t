# A message that a worker has no memory for is lost for its room's members; it
# is counted, and those that have asked are told where.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use POSIX ();
use Test::More;

require Test::Goim;
use Test::Goim::Util qw(slurp);

# with sanitizers address space is no measure of memory
plan(skip_all => 'sanitizers, or no prlimit')
    if Test::Goim->sanitized || !-x '/usr/bin/prlimit';

Test::Goim->import(tests => 5);

use constant SIZE => 200_000;

my $goim = Test::Goim->new(workers => 1)->start;
$goim->allow_alerts('\[emerg\] .* malloc\(\d+\) failed');

my ($asking, $silent) = map {
    $goim->connect_ws(token => { room_id => 'live://1', goim => $_ })->auth
} { gap => JSON::PP::true }, {};
my ($pid) = $goim->worker_pids;


# As the worker's own user: another one may need a capability for it.
sub limit {
    my ($bytes) = @_;

    my ($uid, $gid) = map { slurp("/proc/$pid/status") =~ /^$_:\s*(\d+)/m }
        qw(Uid Gid);
    my $child = fork;
    die "fork: $!" if !defined $child;

    if (!$child) {
        POSIX::setgid($gid) if $gid != $(;
        POSIX::setuid($uid) if $uid != $<;
        exec('/usr/bin/prlimit', '--pid', $pid, "--as=$bytes:unlimited")
            or POSIX::_exit(1);
    }

    waitpid($child, 0);
    die 'prlimit' if $?;
}


sub lost { return $goim->status->{total}{drop_nomem} }


$goim->push_room('live://1', 1000, 'before');
$_->next_body for $asking, $silent;

# What the worker has is all that it gets; free memory of its heap may still
# be enough for some.

limit(4096);

my ($pushed, $got) = (0, 0);

while (!lost() && $pushed < 50) {
    $goim->push_room('live://1', 1000, 'x' x SIZE);
    $pushed++;
    wait_until(10, 'the message to be read', sub {
        return $goim->status->{total}{records} == 1 + $pushed;
    });
}

limit('unlimited');
$goim->push_room('live://1', 1000, 'after');

is(lost(), 2, 'a message without memory is lost for both members');

my @ops;

while (my $packet = $asking->next_packet) {
    push @ops, $packet->{op} == 18 ? $packet->{body} : 'push';
    last if $packet->{body} eq 'after';
}

is(join('|', @ops), join('|', ('push') x ($pushed - 1), '{"gap":1}', 'push'),
   'who has asked is told in its place');

my @bodies = map { $silent->next_body } 1 .. $pushed;
is($bodies[-1], 'after', 'the other one gets what there is');
ok(!(grep { $_->{op} == 18 } @{$silent->{packets}}), 'and nothing else');
is($goim->status->{total}{connections}, 2, 'both stay');
