# Who has asked for notices of gaps gets them after its connection was handed
# over as well: of what was lost before, and not told yet, and of what is lost
# later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 14;

use constant { NOTICE => 18, SIZE => 1000 };

my $goim = Test::Goim->new(
    workers => 1, listen => 'sndbuf=64k',
    http => 'goim_room live://* { backlog 64k; overflow skip; }',
    servers => <<'SERVERS')->start;
server {
        listen 127.0.0.1:%%PORT_tcp%% sndbuf=64k;
        goim_tcp /sub;
        %%locations%%
    }
SERVERS
my $nginx = $goim->nginx;

my %token = (room_id => 'live://1', test => { heartbeat => 600 });
my %asking = (%token, goim => { gap => JSON::PP::true });
my %slow = (rcvbuf => 4096);

my %client = (ws => $goim->connect_ws(%slow)->auth(\%asking),
              tcp => $goim->connect_tcp(%slow)->auth(\%asking),
              silent => $goim->connect_ws(%slow)->auth(\%token));
my ($fast) = $goim->connect_many(1, { numbers => 1, token => \%token });
my $last = 0;


sub reload {
    $goim->reload;
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });
}


# So much more that the slow ones lose some of it.
sub lose {
    my $before = $goim->status->{total}{drop_backlog};

    # in steps that the fast one keeps up with

    for (1 .. 40) {
        $goim->producer->wait_stream($goim->stream(
            'live://1', first => $last + 1, count => 25, size => SIZE));
        $last += 25;
        $goim->all_reach($last, 30, $fast)
            or die "the fast one does not get all\n";
    }

    wait_until(20, 'something to be lost', sub {
        return $goim->status->{total}{drop_backlog} > $before;
    });
}


# A few that come when everybody reads, for all to end with the same one.
sub end {
    for (1 .. 3) {
        $goim->push_room('live://1', 1000, sprintf('%0*d', SIZE, ++$last));
        $goim->all_reach($last, 20, $fast);
    }
}


# What a client gets up to the last, behind which it got before: what is wrong,
# and how many messages were told to be missing.
sub read_up {
    my ($client, $at) = @_;

    my ($told, $open, @faults) = (0, 0);

    while ($at < $last) {
        my $packet = $client->next_packet(20) or return ('an end', 0);

        if ($packet->{op} == NOTICE) {
            my $gap = decode_json($packet->{body})->{gap};
            $told += $gap;
            $open += $gap;
            next;
        }

        my $number = $packet->{body} + 0;

        push @faults, "$number after $at with $open told"
            if $number != $at + $open + 1;
        ($at, $open) = ($number, 0);
    }

    return (join(', ', @faults[0 .. ($#faults < 2 ? $#faults : 2)]), $told);
}

# lost before, and told behind it

$_->pause for values %client;
lose();
is($goim->status->{total}{gap_notices}, 0, 'nobody was told yet');
reload();
is(scalar(grep { $_->is_closed } values %client), 0, 'nobody is lost');

$_->resume for values %client;
end();

for my $name (qw(ws tcp)) {
    my ($fault, $told) = read_up($client{$name}, 0);

    is($fault, '', "$name: what was lost before is told, in its place");
    cmp_ok($told, '>', 0, 'and there was something');
}

my ($fault, $told) = read_up($client{silent}, 0);
isnt($fault, '', 'some is missing for who has not asked as well');
is($told, 0, 'who is not told');

# lost behind it, and before and behind a second one

my $at = $last;

$_->pause for values %client;
lose();
reload();
lose();
$_->resume for values %client;
end();

for my $name (qw(ws tcp)) {
    ($fault, $told) = read_up($client{$name}, $at);

    is($fault, '', "$name: what is lost later is told, in its places");
    cmp_ok($told, '>', 0, 'and there was something');
}

($fault, $told) = read_up($client{silent}, $at);
is($told, 0, 'who has not asked hears nothing then either');
is(scalar(grep { $_->is_closed } values %client), 0, 'and nobody is lost');
