# goim_status prometheus is the status in Prometheus's text format: well formed,
# and with the numbers of the JSON.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

my $goim = Test::Goim->new(workers => 2, channel => 'size=256k lanes=2',
                           server => <<'CONF')->start;
location = /metrics { goim_status prometheus; }
location = /json { goim_status json; }
CONF

my ($client) = $goim->connect_many(1, {
    token => { room_id => 'live://1', key => 'k', accepts => [1] } });
$goim->push_room('live://1', 1000, 'x');
$client->next_body;
$goim->push_keys(['k'], 2, 'not accepted');
$goim->push_keys(['k'], 1, 'accepted');
$client->next_body;

# what is told is what was counted by then, on either side
wait_until(10, 'all to be counted', sub {
    my $status = $goim->status;
    my $records = 0;
    $records += $_->{job}{records} for @{$status->{lanes}};
    return $records == 3 && $status->{total}{delivered} == 2;
});

my $answer = $goim->nginx->get('/metrics');
like($answer->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4},
     'the format says what it is');

my (%help, %type, %sum, @odd);
for my $line (split(/\n/, $answer->{body})) {
    if ($line =~ /^# HELP (\w+) \w.*\.$/ && !$type{$1}) {
        $help{$1} = 1;
    } elsif ($line =~ /^# TYPE (\w+) (gauge|counter)$/ && !$type{$1}) {
        $type{$1} = $2;
    } elsif ($line =~ /^(\w+)(\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? (\d+)$/
             && $type{$1})
    {
        my ($metric, $labels, $value) = ($1, $2 || '', $3);
        my ($reason) = $labels =~ /reason="(\w+)"/;
        $sum{$metric . ($reason ? " $reason" : '')} += $value;
    } else {
        push(@odd, $line);
    }
}

is_deeply(\@odd, [], 'every line is a type, once, or a sample behind it');
is(join(' ', grep { !$help{$_} && !/^goim_job_/ } sort keys %type), '',
   'every metric but goim-job\'s is explained');
is($sum{goim_up}, 1, 'it is up');
is($sum{goim_lane_held}, 2, 'both lanes are held');

my $total = $goim->status->{total};
is_deeply([map { $sum{"goim_$_"} } qw(connections rooms delivered_total)],
          [@$total{qw(connections rooms delivered)}],
          'gauges and counters are those of the JSON');
is($sum{'goim_dropped_total accepts'}, $total->{drop_accepts},
   'so are drops, by reason');
cmp_ok($sum{goim_job_records_total}, '==', 3, 'goim-job\'s are there');
is($type{goim_rooms} . ' ' . $type{goim_closed_total}, 'gauge counter',
   'types are right');

my ($code, $text) = $goim->nginx_t(
    location => '} location /x { goim_status html;');
like($text, qr/"goim_status" directive takes "json" or "prometheus"/,
     'another format is refused');
