# A reload changes the classes of rooms whose members have much pending: they
# keep all of that, and their connections; a smaller backlog, and another
# overflow, are for what comes from then on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 19;

use constant { OLD => 1000, PART => 10, SIZE => 1000 };

my $goim = Test::Goim->new(workers => 1, channel => 'size=4m',
                           listen => 'sndbuf=128k', http => <<'CONF')->start;
goim_room closes://* { backlog 64m; overflow skip; }
goim_room skips://*  { backlog 64m; overflow close; }
CONF

my @rooms = ('closes://1', 'skips://1');
my (@fast, %slow);

for my $room (@rooms) {
    my %member = (numbers => 1, token => {
        room_id => $room, test => { heartbeat => 600 } });

    push @fast, $goim->connect_many(1, \%member);
    $slow{$room} = [$goim->connect_many(2, { %member, rcvbuf => 4096 })];
    $_->pause for @{$slow{$room}};
}

my @slow = map { @$_ } @slow{@rooms};
my $last = 0;


# So many messages to both rooms; others get them before the next ones.
sub push_some {
    my ($n, $what) = @_;

    my $ok = 1;

    for (my $i = 0; $i < $n && $ok; $i += PART) {
        $goim->producer->wait_stream($goim->stream(
            \@rooms, first => $last + 1, count => PART, size => SIZE));
        $last += PART;
        $ok = $goim->all_reach($last, 30, @fast);
    }

    ok($ok, $what);
}


# Counters of all, and of a class.
sub total { return $goim->status->{total} }


sub class_of {
    my ($type) = @_;

    my ($class) = grep { $_->{pattern} eq "$type://*" }
        @{$goim->status->{room_classes}};

    return $class;
}


push_some(OLD, 'what fast members have got');
cmp_ok(total()->{pending}, '>', OLD / 2 * SIZE * @rooms,
       'is pending for the slow');

$goim->reload(http => <<'CONF');
goim_room closes://* { backlog 64k; overflow close; }
goim_room skips://*  { backlog 64k; overflow skip; }
CONF
wait_until(20, 'the old worker to end', sub {
    return !$goim->nginx->old_worker_pids });

is(total()->{moved_in}, @fast + @slow, 'all are handed over');
cmp_ok(total()->{pending}, '>', OLD / 2 * SIZE * @slow,
       'what is pending goes along');

# less than the new backlog: it is behind the rest

push_some(3 * PART, 'what comes then');
is($goim->counted('drop_backlog', 'closed_backlog'), 0,
   'is no more than the new backlog');

my ($reads, $stays) = @{$slow{'closes://1'}};
$reads->send_packet(2, '');
$fast[0]->heartbeat;
$reads->resume;
ok($goim->all_reach($last, 20, $reads), 'who reads again gets all of it');
ok($reads->reply(3), 'and the answer to what it asked meanwhile');

# and more: of one class they are closed, of the other they skip

push_some(300, 'more comes');
ok(wait_until(20, undef, sub { class_of('skips')->{drop_backlog} > 0 }),
   'the class that closed skips');
is(total()->{closed_backlog}, 1, 'and the one that skipped closes');
is(class_of('closes')->{drop_backlog}, 0, 'and skips nothing');

$stays->resume;
ok(wait_until(20, undef, sub { $stays->is_closed }), 'the right one');
ok($goim->all_reach($last, 20, $reads), 'the other one has got all');

# what was there before the reload is whole

my @skips = @{$slow{'skips://1'}};
$_->resume for @skips;
wait_until(20, 'nothing to be pending', sub { total()->{pending} == 0 });

push_some(PART, 'and then');
ok($goim->all_reach($last, 20, @skips), 'those that skip get the newest');
is_deeply($goim->faults(1, $last, @fast, $reads), [],
          'who has not fallen behind has got all, in order');

my @gaps = map { $_->faults } @skips;
is(scalar(grep { !/^(\d+) after (\d+)$/ || $2 < OLD || $1 <= $2 } @gaps), 0,
   'others have what was pending at the reload, and gaps behind it')
    or diag(explain(\@gaps));
is(2 * $last - $skips[0]->count - $skips[1]->count,
   class_of('skips')->{drop_backlog}, 'which are counted');
