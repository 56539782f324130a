# goim-job --check names every mistake with file, line and what would be
# right; SIGHUP takes new settings all or not at all; SIGTERM ends it with 0.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 22;

use Test::Goim::Util qw(spew);

my $goim = Test::Goim->new(workers => 1)->start;
my $other = $goim->add_job;
my $path = $other->{conf_path};


# Exit code and output of --check for a text of settings.
sub check {
    my ($text) = @_;

    spew($path, $text);

    return $other->run('--check');
}


my $channel = "[channel]\npath = /run/goim/channel\n";
my $kafka = "[kafka]\nbrokers = 127.0.0.1:1\n";

my ($exit, $text) = check("$channel$kafka");
is($exit, 0, 'the smallest settings pass') or diag($text);

# text, the line that is named, what is said
my @cases = (
    [$kafka, '', '"path" in \[channel\] is missing'],
    [$channel, '', '"brokers" in \[kafka\] is missing'],
    ["${channel}colour = red\n$kafka", 3, 'no setting "colour"'],
    ["${channel}[kitchen]\nfire = on\n$kafka", 4, 'stands in \[kitchen\]'],
    ["$channel$kafka" . "no.such.property = 1\n", 5, 'librdkafka says'],
    ["$channel$kafka" . "enable.auto.commit = true\n", 5, 'left out'],
    ["$channel$kafka" . "topics = a b\n", 5, 'list of Kafka topics'],
    ["$channel$kafka" . "[job]\nmax_age = soon\n", 6, 'number with ms, s, m or h'],
    ["$channel$kafka" . "[job]\nv1_op = 5e9\n", 6, 'operation number'],
    ["$channel$kafka" . "[job]\nmax_age = 1m\nmax_age = 2m\n", 7,
     'set in line 6'],
    ["$channel$kafka" . "what is this\n", 5, 'neither'],
);

for my $case (@cases) {
    my ($conf, $line, $words) = @$case;
    my $at = quotemeta($path) . (length $line ? ":$line" : '');

    ($exit, $text) = check($conf);
    ok($exit == 2 && $text =~ /\[error\].*$at: .*$words/,
       "refused with 2: $words") or diag("exit code $exit\n$text");
}

($exit, $text) = check("$channel${kafka}topics = a b\nno.such = 1\n"
                       . "[job]\nv1_op = x\n");
is(scalar(() = $text =~ /\[error\]/g), 3, 'all mistakes are told at once')
    or diag($text);

unlink($path);
($exit, $text) = $other->run('--check');
is($exit, 2, 'settings that are not there: 2');
($exit, $text) = $other->run('--no-such-option');
is($exit, 2, 'wrong usage: 2');
($exit, $text) = $other->run('--version');
like("$exit $text", qr/^0 goim-job \S+ .*layout \d+.*librdkafka/,
     'the versions, and 0');

# SIGHUP

my $job = $goim->job;
my ($client) = $goim->connect_many(1, {
    token => { room_id => 'live://1', key => 'k', accepts => [1000] } });


# Writes settings, asks goim-job to read them, and waits for a line of its
# log, or of its word to systemd.
sub hup {
    my ($conf, $source, $pattern) = @_;

    $job->write_conf($conf);
    my $before = length $job->$source;
    $job->signal('HUP');

    return wait_until(10, undef, sub {
        return substr($job->$source, $before) =~ $pattern;
    });
}


ok(hup({ job => { server_id => 'comet-9' } }, 'notified',
       qr/^RELOADING=1\n.*^READY=1\n/ms), 'SIGHUP takes new settings');
$goim->push_keys(['k'], 1000, 'old name', server => 'comet-1');
$goim->push_keys(['k'], 1000, 'new name', server => 'comet-9');
is($client->next_body, 'new name', 'which then apply');

ok(hup({ job => { server_id => 'comet-1', max_age => 'soon' } }, 'log_text',
       qr/max_age.*can't be "soon"/), 'a mistake is logged');
$goim->push_keys(['k'], 1000, 'not taken', server => 'comet-1');
$goim->push_keys(['k'], 1000, 'still', server => 'comet-9');
is($client->next_body, 'still', 'and the old settings stay, all of them');

# SIGTERM

$goim->push_room('live://1', 1000, 'the last');
is($client->next_body, 'the last', 'a last message');
is($job->stop, 0, 'SIGTERM: 0');
