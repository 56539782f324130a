# The configurations of conf/, with nothing but paths and addresses changed,
# pass their programs' checks and together bring a push, and a client's own
# message, to clients of WebSocket and of TCP; systemd finds no fault with the
# units.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 15;

use Test::Goim::Redis;
use Test::Goim::Util qw(slurp spew reserve_ports);

my $top = "$FindBin::Bin/..";
my $goim = Test::Goim->new(nginx => 0, auth => 0, job => 0)->start;
my $redis = Test::Goim::Redis->new(dir => $goim->dir)->start;
my $logic_port = $goim->{logic_port} = reserve_ports(1);
my %binary = (
    job => Test::Goim::absolute($ENV{GOIM_JOB} || 'build/goim-job'),
    logic => Test::Goim::absolute($ENV{GOIM_LOGIC} || 'build/goim-logic'));

push @{$goim->{tools_running}}, $redis;


# A file of conf/ with each text on the left, which must be there, replaced.
sub adapted {
    my ($name, @pairs) = @_;

    my $text = slurp("$top/conf/$name");

    while (my ($from, $to) = splice(@pairs, 0, 2)) {
        $text =~ s/\Q$from\E/$to/g or die "no \"$from\" in conf/$name";
    }

    return $text;
}


# A daemon with such a file.
sub daemon {
    my ($name, @pairs) = @_;

    my $daemon = Test::Goim::Daemon->new(
        dir => $goim->dir, name => $name, binary => $binary{$name});

    spew($daemon->{conf_path}, adapted("goim-$name.conf", @pairs));
    push @{$goim->{jobs}}, $daemon;

    my ($exit, $text) = $daemon->run('--check');
    is($exit, 0, "goim-$name --check passes") or diag($text);

    return $daemon;
}

my $kafka = $goim->kafka->bootstrap;

$goim->{conf} = { all => <<'MAIN' . adapted('nginx.conf',
daemon off;
pid %%DIR%%/nginx.pid;
lock_file %%DIR%%/nginx.lock;
error_log %%DIR%%/error.log info;
env ASAN_OPTIONS;
env UBSAN_OPTIONS;
env GOIM_TEST_DIR;
MAIN
    'load_module modules/ngx_http_goim_module.so;' => '%%LOAD_MODULE%%',
    'user www-data;' => '%%USER%%',
    'worker_processes auto;' => 'worker_processes 2;',
    'worker_rlimit_nofile 65536;' => '',
    'worker_connections 32768;' => 'worker_connections 512;',
    '/run/goim/channel size=32m' => '%%CHANNEL%% size=1m',
    'server 127.0.0.1:3111;' => "server 127.0.0.1:$logic_port;",
    'listen 3102;' => 'listen 127.0.0.1:%%PORT%%;',
    'listen   3101;' => 'listen 127.0.0.1:%%PORT_tcp%%;',
    "http {\n" => join("\n", "http {", 'access_log %%DIR%%/access.log;',
                       map { "${_}_temp_path %%DIR%%/temp;" }
                       qw(client_body proxy fastcgi uwsgi scgi)) . "\n") };

my ($exit, $text) = $goim->nginx_t;
is($exit, 0, 'nginx -t passes');
unlike($text, qr/\[warn\]/, 'without a warning') or diag($text);

my $logic = daemon(
    'logic', 'listen = 127.0.0.1:3111' => "listen = 127.0.0.1:$logic_port",
    'brokers = 127.0.0.1:9092' => "brokers = $kafka",
    'servers = 127.0.0.1:6379' => 'servers = ' . $redis->address);
my $job = daemon(
    'job', '/run/goim/channel' => $goim->channel_path,
    'brokers = 127.0.0.1:9092' => "brokers = $kafka");

$goim->nginx->start;
$_->start for $logic, $job;
wait_until(30, 'goim-job to have found its place', sub {
    return $goim->status->{lanes}[0]{partitions};
});
wait_until(30, 'goim-logic to be well', sub {
    my $answer = $goim->ask_logic('/health');
    return $answer && $answer->{status} == 200;
});

my $ws = $goim->connect_ws->join_room('live://1000');
my $tcp = $goim->connect_tcp(token => { room_id => 'live://1000' })->auth;
my $answer = $goim->ask_logic(
    '/goim/push/room?operation=1000&type=live&room=1000', method => 'POST',
    body => 'a push');

like($answer->{body}, qr/"code":0/, 'a push is taken');
is($ws->next_body, 'a push', 'it arrives by WebSocket');
is($tcp->next_body, 'a push', 'and by TCP');

for my $case ([$ws, 'WebSocket'], [$tcp, 'TCP']) {
    my ($from, $name) = @$case;

    $from->send_packet(4, "by $name");
    is($ws->next_body . ', ' . $tcp->next_body, "by $name, by $name",
       "as does a message by $name");
}

ok(wait_until(10, undef, sub {
    return $goim->ask_logic('/goim/online/total')->{body}
        =~ /"conn_count":2/;
}), 'the sessions are told of');

SKIP: {
    my $analyze = '/usr/bin/systemd-analyze';
    skip('no systemd-analyze', 5) if !-x $analyze;

    for my $name ('job', 'logic') {
        my $unit = $goim->dir . "/goim-$name.service";

        # what is not installed here is no fault of the unit
        spew($unit, adapted("goim-$name.service",
                            "/usr/sbin/goim-$name" => $binary{$name}));
        is(`$analyze verify --man=no $unit 2>&1`, '',
           "systemd finds no fault with goim-$name.service");

        my ($exposure) = `$analyze security --offline=true $unit 2>&1`
            =~ /exposure level for \S+: (\d+\.\d+)/;
        cmp_ok($exposure, '<', 2, "whose exposure is $exposure of 10");
    }

    my $unit = $goim->dir . '/nginx.service';

    mkdir("$unit.d") or die("$unit.d: $!");
    spew("$unit.d/goim.conf", adapted('nginx.service.d/goim.conf'));
    spew($unit, slurp('/lib/systemd/system/nginx.service'));
    is(`$analyze verify --man=no $unit 2>&1`, '',
       'nor with the one of nginx and what is added to it');
}
