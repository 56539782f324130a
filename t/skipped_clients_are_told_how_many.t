# A client that has asked for it is told, between the last message before and
# the first one after, how many of its room were skipped for it; those that
# have not asked, as all of goim's, get nothing but messages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 21;

use constant NOTICE => 18;

my $goim = Test::Goim->new(
    workers => 1, listen => 'sndbuf=128k',
    http => 'goim_room live://* { backlog 64k; overflow skip; }',
    server => <<'CONF', servers => <<'SERVERS')->make_certificate->start;
location = /named {
    goim;
    goim_identity room=live://1 features=$arg_features;
}
CONF
server {
    listen 127.0.0.1:%%PORT_tcp%% sndbuf=128k;
    goim_tcp /sub;
    %%locations%%
}
server {
    listen 127.0.0.1:%%PORT_tls%% ssl sndbuf=128k;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    %%locations%%
}
SERVERS

my ($count, $size) = (2000, 1000);
my %slow = (rcvbuf => 4096);
my %token = (room_id => 'live://1', test => { heartbeat => 600 });
my %asking = (%token, goim => { gap => JSON::PP::true, more => 1 });

my %client = (
    websocket => $goim->connect_ws(%slow, token => \%asking),
    tcp => $goim->connect_tcp(%slow, token => \%asking),
    tls => $goim->connect_tls($goim->nginx->extra_port('tls'),
                              token => \%asking),
    identity => $goim->connect_ws(%slow, path => '/named?features=gap'),
    silent => $goim->connect_ws(%slow, token => \%token),
    'silent identity' => $goim->connect_ws(%slow,
                                           path => '/named?features=other'),
);

for my $name (sort keys %client) {
    $name =~ /identity/ ? $client{$name}->response : $client{$name}->auth;
}

my ($fast) = $goim->connect_many(1, { numbers => 1, token => \%asking });

wait_until(10, 'all to be there', sub {
    return $goim->status->{total}{connections} == 7;
});

# Bodies are numbers; [what is wrong, how many were skipped by the notices].
sub read_packets {
    my ($client) = @_;

    my ($last, $skipped, $told, @faults) = (0, 0, 0);

    while ($last < $count) {
        my $packet = $client->next_packet(20) or return ['an end', $told];

        if ($packet->{op} == NOTICE) {
            push @faults, "ver $packet->{ver}, seq $packet->{seq}"
                if $packet->{ver} != 1 || $packet->{seq} != 0;
            my $gap = decode_json($packet->{body})->{gap};
            $skipped += $gap;
            $told += $gap;
            next;
        }

        push @faults, "$packet->{body} after $last and $skipped told"
            if $packet->{body} != $last + $skipped + 1;
        ($last, $skipped) = ($packet->{body} + 0, 0);
    }

    return [join(', ', @faults[0 .. ($#faults < 3 ? $#faults : 3)]), $told];
}


$_->pause for values %client;

ok($goim->stream_in_step('live://1', [$fast], count => $count,
                         size => $size), 'a fast one gets the whole stream');
is_deeply($goim->faults(1, $count, $fast), [], 'in order');
is(scalar @{$fast->{packets}}, 0, 'and is told of no gap');

wait_until(10, 'messages to be dropped', sub {
    return $goim->status->{total}{drop_backlog} > $count / 4;
});
is($goim->status->{total}{gap_notices}, 0,
   'nobody is told before it can be sent');

# A number behind the gap; the last stays in the log, what overflows goes.

$_->resume for values %client;
my $more = 3;

for (1 .. $more) {
    $goim->push_room('live://1', 1000, sprintf('%0*d', $size, ++$count));
    $goim->all_reach($count, 10, $fast);
}

my $told = 0;

for my $name (qw(websocket tcp tls identity)) {
    my $found = read_packets($client{$name});

    is($found->[0], '', "$name: the notices stand where messages are missing, "
       . 'and tell how many');
    cmp_ok($found->[1], '>', 0, "$name: there were some");
    $told += $found->[1];
}

my $dropped = 0;

for my $name ('silent', 'silent identity') {
    my (@got, %op);

    while (!@got || $got[-1] < $count) {
        my $packet = $client{$name}->next_packet(20) or last;
        $op{$packet->{op}}++;
        push @got, $packet->{body};
    }

    cmp_ok(scalar @got, '<', $count, "$name: some were skipped");
    is_deeply([keys %op], [1000], "$name: who has not asked is not told");
    $dropped += $count - @got;
}

my $total = $goim->status->{total};
is($total->{drop_backlog}, $told + $dropped,
   'all that is counted as dropped was told, to those who have asked');
cmp_ok($total->{gap_notices}, '>=', 4, 'notices are counted');
is($client{tls}->is_open, 1, 'TLS has got through it');

# who changes the room is not told of the old one's

$client{websocket}->send_packet(12, 'live://2');
ok($client{websocket}->reply(13), 'a change of the room');
$goim->push_room('live://2', 1000, 'new');
is($client{websocket}->next_packet->{body}, 'new', 'begins without a gap');
