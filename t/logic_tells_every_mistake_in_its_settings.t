# goim-logic --check names every mistake with file, line and what would be
# right; SIGHUP takes new settings all or not at all; SIGTERM ends it with 0.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 42;

use Test::Goim::Util qw(spew);

my $goim = Test::Goim->new(nginx => 0, job => 0, logic => {})->start;
my $other = $goim->add_logic;
my $path = $other->{conf_path};


# Exit code and output of --check for a text of settings.
sub check {
    my ($text) = @_;

    spew($path, $text);

    return $other->run('--check');
}


my $kafka = "[kafka]\nbrokers = 127.0.0.1:1\n";
my $memory = "[session]\nstore = memory\n";

my ($exit, $text) = check("$kafka$memory");
ok($exit == 0 && $text =~ /settings in "\Q$path\E" are right/,
   'the smallest settings pass') or diag("exit code $exit\n$text");

# text, the line that is named, what is said
my @cases = (
    [$memory, '', '"brokers" in \[kafka\] is missing: a list of host:port'],
    [$kafka, '', '"servers" in \[redis\] is missing: a list of address:port'],
    ["$kafka${memory}[auth]\nmode = jwt\n", '',
     '"jwt_key" in \[auth\] is missing: a file'],
    ["$kafka${memory}[auth]\nheartbeat = 1h\nheartbeat_max = 100\n", '',
     'is more than a day'],
    ["$kafka${memory}colour = red\n", 5, 'no setting "colour"'],
    ["$kafka${memory}[kitchen]\nfire = on\n", 6, 'stands in \[kitchen\]'],
    ["$kafka${memory}what is this\n", 5, 'neither'],
    ["$kafka${memory}store = redis\n", 5, 'set in line 4'],
    ["${kafka}no.such.property = 1\n$memory", 3, 'librdkafka says'],
    ["${kafka}enable.idempotence = false\n$memory", 3, 'left out'],
    ["${kafka}topic = a b\n$memory", 3, 'must be a Kafka topic'],
    ["$kafka${memory}[http]\nlisten = 3111\n", 6, 'list of address:port'],
    ["$kafka${memory}[http]\nmax_body = 65m\n", 6, 'must be 1 to 64m'],
    ["$kafka${memory}[http]\nmax_requests = 0\n", 6, 'number from 1'],
    ["$kafka${memory}[http]\ntimeout = soon\n", 6, 'number with ms, s, m'],
    ["$kafka${memory}expire = 1s\n", 5, 'must be 1m to 720h'],
    ["$kafka${memory}[auth]\nmode = all\n", 6, 'must be anonymous'],
    ["$kafka${memory}[publish]\nop = 5e9\n", 6, 'operation number'],
    ["$kafka${memory}[nodes]\nws_port = 70000\n", 6, 'must be a port'],
    ["$kafka${memory}[nodes]\nserver a = b\n", 6, 'must be a weight'],
    ["$kafka${memory}[nodes]\nserver a = 1\nserver a = 2\n", 7,
     '"server a" in \[nodes\]: it is set in line 6'],
    ["$kafka${memory}[log]\nlevel = loud\n", 6, 'must be alert'],
);

for my $case (@cases) {
    my ($conf, $line, $words) = @$case;
    my $at = quotemeta($path) . (length $line ? ":$line" : '');

    ($exit, $text) = check($conf);
    ok($exit == 2 && $text =~ /\[error\] goim logic: $at: .*$words/,
       "refused with 2: $words") or diag("exit code $exit\n$text");
}

($exit, $text) = check("${kafka}topic = a b\nno.such = 1\n[log]\nlevel = x\n"
                       . $memory);
is(scalar(() = $text =~ /\[error\]/g), 3, 'all mistakes are told at once')
    or diag($text);

# librdkafka reads certificates only when it is made
($exit, $text) = check("${kafka}security.protocol = ssl\n"
                       . "ssl.ca.location = /nonexistent\n$memory");
ok($exit == 2 && $text =~ /ssl\.ca\.location/, 'a certificate is missing: 2')
    or diag("exit code $exit\n$text");

unlink($path);
($exit, $text) = $other->run('--check');
is($exit, 2, 'settings that are not there: 2');
($exit, $text) = $other->run('--no-such-option');
is($exit, 2, 'wrong usage: 2');
($exit, $text) = $other->run('argument');
is($exit, 2, 'an argument: 2');
($exit, $text) = $other->run('--version');
like("$exit $text", qr/^0 goim-logic \S+ \(librdkafka \S+, libevent \S+\)/,
     'the versions, and 0');

# an address that is taken is not the settings' mistake
$other->write_conf;
($exit, $text) = $other->run;
ok($exit == 1 && $text =~ /can't listen on "127\.0\.0\.1" port \d+: /,
   'an address that is taken: 1') or diag("exit code $exit\n$text");

# SIGHUP

my $logic = $goim->logic;


# Writes settings, asks goim-logic to read them and waits until it has; what
# it logged.
sub hup {
    my ($conf) = @_;

    $logic->write_conf($conf);
    my $before = length $logic->log_text;
    my $told = length $logic->notified;
    $logic->signal('HUP');

    wait_until(10, 'goim-logic to read its settings', sub {
        return substr($logic->notified, $told)
            =~ /^RELOADING=1\n.*^READY=1\n/ms;
    });

    return substr($logic->log_text, $before);
}


# What the settings in [auth], [publish] and [nodes] do.
sub mid_and_heartbeat {
    my $headers = $goim->ask_logic('/goim/auth', method => 'POST',
        body => '{"mid":7,"key":"k"}',
        headers => { 'X-Goim-Server' => 'comet-1' })->{headers};

    return "$headers->{'x-goim-mid'} $headers->{'x-goim-heartbeat'}";
}


sub publish {
    return $goim->ask_logic('/goim/publish', method => 'POST',
        body => 'hello', headers => { 'X-Goim-Room' => 'a://1' })->{body};
}


sub nodes { return $goim->ask_logic('/goim/nodes/weighted')->{body} }


is(mid_and_heartbeat(), '7 480', 'before: who a client is');
is(publish(), '{"code":0}', 'before: a client\'s message');

like(hup({
    auth => { mode => 'anonymous', heartbeat => '30s', heartbeat_max => 3 },
    publish => { max_size => 4 },
    nodes => { domain => 'conn.example', ws_port => 8080 },
}), qr/settings read again/, 'SIGHUP takes new settings');
is(mid_and_heartbeat(), '0 90', 'which apply: [auth]');
like(publish(), qr/longer than 4 bytes/, '[publish]');
like(nodes(), qr/"domain":"conn\.example".*"ws_port":8080/, '[nodes]');

unlike(hup({ log => { level => 'warn' } }), qr/settings read again/,
       '[log]: a notice is not written any more');
like(hup({ log => { level => 'notice' } }), qr/settings read again/,
     'and is again');

like(hup({ auth => { mode => 'open' }, kafka => { 'linger.ms' => 7 } }),
     qr/not used: .*\[kafka\].* need a new start/,
     'what needs a new start is refused');
like(hup({ auth => { mode => 'open' }, kafka => { 'linger.ms' => undef },
           nodes => { ws_port => 'x' } }), qr/ws_port.*can't be "x"/,
     'a mistake is logged');
is(mid_and_heartbeat(), '0 90', 'and the old settings stay, all of them');

# SIGTERM

is($logic->stop, 0, 'SIGTERM: 0');
