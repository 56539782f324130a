# A Kafka message that is none of goim's, too old or too large is counted and
# skipped, never printed, and holds nothing up; goim v1's JSON is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 11;

use MIME::Base64 qw(encode_base64);

my $goim = Test::Goim->new(
    workers => 1, channel => 'size=64k', job => {
        job => { max_age => '1h', v1_room_type => 'old', v1_op => 7000,
                 log_level => 'debug' } })->start;
my ($client) = $goim->connect_many(1, {
    token => { room_id => 'old://12', key => '1_1', accepts => [7000] } });


# Pushes goim v1's JSON with a body in it.
sub push_v1 {
    my ($text, $body) = @_;

    $goim->push_value(sprintf($text, encode_base64($body, '')));
}


# what can't be read: no form, cut, empty, no target, unknown type

my $secret = 'SeCrEt';
my @unreadable = (
    "$secret no push", "\x08\x01\x3a\xff$secret", '',
    "\x08\x01\x10\x01\x3a\x06$secret", "\x08\x63\x3a\x06$secret",
    qq({"op":"broadcast_room","roomid":"$secret"}),
    qq({"op":"$secret"}), qq({"op":"broadcast","msg":"?$secret?"}),
);
$goim->push_value($_) for @unreadable;

$goim->push_room('old://12', 1000, $secret x 3000);
$goim->push_value("\x08\x01\x10\x01\x2a\x08old://12\x3a\x06$secret",
                  ms => 1000 * (time - 7200));
$goim->push_room('old://12', 1000, 'after all that');
is($client->next_body, 'after all that', 'what is right comes through');

# a record is counted once it has been published
my $job;
wait_until(10, undef, sub {
    $job = $goim->status->{lanes}[0]{job};
    return $job->{records} == 1;
});
is($job->{unreadable}, @unreadable, 'each message that can\'t be read counts');
is($job->{too_large}, 1, 'each that is too large');
is($job->{too_old}, 1, 'each that is too old');
is("$job->{messages} $job->{records}", (@unreadable + 3) . ' 1',
   'and no other');

my $log = $goim->job->log_text;
like($log, qr/message 0 of "goim-push-topic" \[0\] can't be read: \w/,
     'the log says where and why');
unlike($log, qr/SeCrEt|536543724574|U2VDckV0/i, 'and never what');

# goim v1's

push_v1('{"op":"broadcast_room","roomid":12,"msg":"%s","ensure":true}',
        'room');
push_v1('{"op":"broadcast_room","roomid":13,"msg":"%s"}', 'another room');
push_v1('{"op":"broadcast","msg":"%s"}', 'all');
push_v1('{"op":"multiple","subkeys":["2_1","1_1"],"msg":"%s"}', 'keys');
push_v1('{"op":"multiple","server":3,"subkeys":["1_1"],"msg":"%s"}', 'not us');
$goim->push_room('old://12', 1000, 'end');

my %op;
while (my $packet = $client->next_packet) {
    last if $packet->{body} eq 'end';
    $op{$packet->{body}} = "$packet->{ver} $packet->{op}";
}
is_deeply(\%op, { room => '1 7000', all => '1 7000', keys => '1 7000' },
          'v1\'s JSON reaches rooms, keys and all with the set operation');
is($goim->status->{lanes}[0]{job}{other_server}, 1,
   'but not keys of another server');

# the last offset of all is committed, skipped or not

my ($partition, $offset) = @{$goim->push_value('the last is unreadable')};
ok(wait_until(10, undef, sub {
    my $committed = $goim->committed('goim-push-comet-1', 0);
    return defined $committed && $committed == $offset + 1;
}), 'what is skipped is committed as well');
is($goim->job->stop, 0, 'and goim-job has lived through it');
