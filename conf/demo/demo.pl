#!/usr/bin/perl
# Runs the demo in the foreground: Kafka's mock (or KAFKA), goim-logic,
# goim-job and nginx with the module.  Starts again what dies, and leaves
# nothing behind when it ends.  "make demo" builds first what this needs.
#
# Environment, or variables of make:
#   KAFKA=host:port,...   brokers, in place of the mock; topic goim-push-topic
#   REDIS=host:port       sessions in there, in place of goim-logic's memory
#   DEMO_TCP_PORT=3101, DEMO_WS_PORT=3102, DEMO_LOGIC_PORT=3111
#   GOIM_NGINX, GOIM_MODULE, GOIM_JOB, GOIM_LOGIC, GOIM_TOOLS   what is run

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Handle;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(:sys_wait_h :signal_h);
use Time::HiRes qw(time);

use constant TOPIC => 'goim-push-topic';
use constant {
    TICK => 0.1,      # seconds between two looks at everything
    STOP => 5,        # until a daemon that is asked to end is killed
    STEADY => 5,      # one that lived shorter is not started again at once,
    PAUSE_MAX => 10,  # but after 1, 2, 4 ... seconds, no more than this
    PROBE => 3,       # until a probe is given up and sent anew
    TELL => 5,        # between two lines that tell what is waited for
};

my $top = abs_path(dirname(__FILE__) . '/../..');
my $main_pid = $$;
my $http = HTTP::Tiny->new(timeout => 2, agent => 'goim-demo',
                           http_proxy => undef);

my $stop;    # somebody wants it to end
my %value;   # what stands for the marks in the configurations
my $dir;     # of the configurations, the logs and the pages
my $shm;     # of the channel

my %daemon;  # by name: argv, pid, when it was started or is due to be, ...
my @order;   # their names, as they are started; stopped the other way round

my $ready;    # everything answers
my $tell_at;  # when to tell what is missing
my $told;     # Kafka's address, as the user was last told of it
my %probe;    # a message to nobody: when it was sent, what was there then


# --- words

sub say_line { print "demo: @_\n" }


sub fail {
    die map { "demo: $_\n" } @_;
}


# The end of a daemon's log.
sub log_tail {
    my ($name) = @_;

    open(my $fh, '<', "$dir/$name.log") or return ();
    my @lines = <$fh>;
    chomp @lines;

    return map { "    $_" } @lines > 8 ? @lines[-8 .. -1] : @lines;
}


# --- before anything is started

sub setting {
    my ($name, $default) = @_;

    return defined $ENV{$name} && length $ENV{$name} ? $ENV{$name}
                                                     : $default;
}


sub port_setting {
    my ($name, $default) = @_;

    my $port = setting($name, $default);
    $port =~ /^\d{1,5}$/ && $port > 0 && $port < 65536
        or fail("$name=$port: it must be a port");

    return $port;
}


sub read_settings {
    my $kafka = setting('KAFKA', '');
    my $redis = setting('REDIS', '');

    # it is a line of a file and a part of the lines to copy
    for (['KAFKA', $kafka], ['REDIS', $redis]) {
        my ($name, $text) = @$_;
        $text =~ m{^[\w.:,\[\]-]*$}
            or fail("$name=$text: it must be host:port, several with commas"
                    . ' between');
    }

    (my $host = (POSIX::uname())[1]) =~ s/[^A-Za-z0-9.-]/-/g;

    %value = (
        TCP_PORT => port_setting('DEMO_TCP_PORT', 3101),
        WS_PORT => port_setting('DEMO_WS_PORT', 3102),
        LOGIC_PORT => port_setting('DEMO_LOGIC_PORT', 3111),
        KAFKA => $kafka, MOCK => $kafka eq '',
        SERVER => substr("demo-$host", 0, 128),
        USER => $> == 0 ? worker_user() : '',
        REDIS => $redis,
        SESSION => $redis eq '' ? "[session]\nstore = memory"
            : "[session]\nstore = redis\n\n[redis]\nservers = $redis",

        # the mock forgets its messages and begins anew; a real one has those
        # of other days
        RESET => $kafka eq '' ? 'earliest' : 'latest',

        # the mock lets a fetch sleep for so long whatever comes meanwhile
        FETCH_WAIT => $kafka eq '' ? 10 : 100,
    );
}


# The workers of root's nginx run as somebody else, as everywhere.
sub worker_user {
    return 'user www-data;' if getpwnam('www-data');
    return 'user nobody nogroup;';
}


# Paths are as seen from the tree's top folder.
sub program {
    my ($path) = @_;

    $path = "$top/$path" if $path !~ m{^/};

    -e $path or fail("$path is not there: \"make demo\" builds it");

    return $path;
}


sub check_ports {
    for (['TCP_PORT', 'goim\'s TCP protocol'], ['WS_PORT', 'WebSocket'],
         ['LOGIC_PORT', 'goim-logic']) {
        my ($name, $what) = @$_;
        my $port = $value{$name};

        # as the daemons do it, so that what is only just closed is no matter
        IO::Socket::INET->new(Proto => 'tcp', LocalAddr => '127.0.0.1',
                              LocalPort => $port, Listen => 1, ReuseAddr => 1)
            and next;

        fail("port $port, for $what, can't be used: $!",
             "end what uses it, or choose another: "
             . "make demo DEMO_$name=" . ($port < 55536 ? $port + 10000
                                                        : $port - 10000));
    }
}


sub make_folders {
    my $module = program(setting('GOIM_MODULE',
                                 'build/ngx_http_goim_module.so'));

    $dir = tempdir('goim-demo-XXXXXXXX', TMPDIR => 1);
    $shm = -w '/dev/shm' ? tempdir('goim-demo-XXXXXXXX', DIR => '/dev/shm')
                         : $dir;

    # nginx's workers may not be allowed to look into the tree; and what is
    # built there meanwhile must not change what runs
    mkdir("$dir/www") && mkdir("$dir/www/js") or fail("$dir/www: $!");
    system('cp', '-L', $module, "$dir/ngx_http_goim_module.so");

    for (['clients/demo', 'www'], ['clients/js', 'www/js']) {
        my ($from, $to) = @$_;
        system('cp', '-RL', "$top/$from/.", "$dir/$to") if -d "$top/$from";
    }

    system('chmod', '-R', 'a+rX', $dir, $shm);
}


sub write_conf {
    my ($name) = @_;

    open(my $in, '<', "$top/conf/demo/$name.in") or fail("$name.in: $!");
    my $text = join('', <$in>);

    my %mark = (%value, DIR => $dir, SHM => $shm);
    $text =~ s/\@([A-Z_]+)\@/$mark{$1}/g;

    open(my $out, '>', "$dir/$name") or fail("$dir/$name: $!");
    print $out $text;
    close($out) or fail("$dir/$name: $!");
}


# --- daemons

sub add_daemon {
    my ($name, @argv) = @_;

    $daemon{$name} = { name => $name, argv => \@argv, pause => 0, due => 0 };
    push @order, $name;
}


sub add_daemons {
    my $mock = setting('GOIM_TOOLS', 'build/t') . '/mock_kafka';
    my $logic = setting('GOIM_LOGIC', 'build/goim-logic');
    my $nginx = setting('GOIM_NGINX', '/usr/sbin/nginx');
    my $job = setting('GOIM_JOB', 'build/goim-job');

    add_daemon('mock_kafka', program($mock), 1, TOPIC . ':4')
        if $value{MOCK};
    add_daemon('goim-logic', program($logic), '-c', "$dir/goim-logic.conf");
    add_daemon('nginx', program($nginx), '-p', "$dir/",
               '-e', "$dir/nginx.log", '-c', "$dir/nginx.conf");
    add_daemon('goim-job', program($job), '-c', "$dir/goim-job.conf");
}


# In a session of its own, so that Ctrl-C reaches nobody but us, and its
# children are found by their group; ended if we are killed.
sub run_child {
    my ($d, $in, $out) = @_;

    POSIX::setsid();

    open(STDIN, '<&', $in) if $in;
    open(STDIN, '<', '/dev/null') if !$in;
    open(STDERR, '>>', "$dir/$d->{name}.log") or POSIX::_exit(127);
    open(STDOUT, '>&', $out || \*STDERR) or POSIX::_exit(127);

    { no warnings 'exec';
      exec('/usr/bin/setpriv', '--pdeathsig', 'TERM', '--', @{$d->{argv}}); }

    print STDERR "setpriv: $!\n";
    POSIX::_exit(127);
}


sub start {
    my ($d) = @_;

    my ($in, $out, $child_in, $child_out);

    # the mock lives as long as its standard input, and says its address
    if ($d->{name} eq 'mock_kafka') {
        pipe($child_in, $in) && pipe($out, $child_out) or fail("pipe: $!");
        $out->blocking(0);
        $value{KAFKA} = '';
    }

    # a signal must not meet the child while it still has our handlers
    my $all = POSIX::SigSet->new(SIGINT, SIGTERM, SIGHUP);
    sigprocmask(SIG_BLOCK, $all);

    my $pid = fork();

    if (defined $pid && $pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        sigprocmask(SIG_UNBLOCK, $all);
        run_child($d, $child_in, $child_out);
    }

    sigprocmask(SIG_UNBLOCK, $all);
    defined $pid or fail("fork: $!");

    @$d{qw(pid started in out said)} = ($pid, time, $in, $out, '');
}


# What has ended: takes its children along, and tells of it if it was not
# asked to.
sub reap {
    while ((my $pid = waitpid(-1, WNOHANG)) > 0) {
        my ($d) = grep { ($_->{pid} || 0) == $pid } values %daemon or next;
        my $status = $?;

        # workers without a master hold its ports
        kill('KILL', -$pid);

        $d->{pid} = undef;
        $d->{in} = $d->{out} = undef;

        next if delete $d->{asked};

        ended_unasked($d, $pid, $status);
    }
}


sub ended_unasked {
    my ($d, $pid, $status) = @_;

    my $signal = $status & 127;
    my $how = $signal ? "was killed by signal $signal"
                      : 'ended with exit code ' . ($status >> 8);

    fail("$d->{name} does not start: it $how", log_tail($d->{name}))
        if !defined $told;

    $d->{pause} = time - $d->{started} >= STEADY ? 0
        : !$d->{pause} ? 1
        : $d->{pause} * 2 > PAUSE_MAX ? PAUSE_MAX : $d->{pause} * 2;
    $d->{due} = time + ($d->{pause} || TICK);

    say_line("$d->{name} (pid $pid) $how; it is started again"
             . ($d->{pause} ? " in $d->{pause} s" : ''));
    print map { "$_\n" } log_tail($d->{name}) if !$signal;
}


sub start_what_is_due {
    for my $d (map { $daemon{$_} } @order) {
        next if $d->{pid} || $d->{due} > time;
        next if !length $value{KAFKA} && $d->{name} ne 'mock_kafka';

        start($d);
        ($ready, $tell_at) = (0, time + TELL);
        %probe = ();
    }
}


# The mock's address is another after each start.  goim-logic needs a new start
# for it; so does goim-job, whose SIGHUP would wait for the old broker.
sub take_address {
    my $mock = $daemon{mock_kafka};

    return if !$mock || !$mock->{out} || length $value{KAFKA};

    sysread($mock->{out}, $mock->{said}, 4096, length $mock->{said});
    $mock->{said} =~ /^bootstrap (\S+)\n/ or return;

    $value{KAFKA} = $1;

    for my $name ('goim-job', 'goim-logic') {
        write_conf("$name.conf");
        end_daemon($daemon{$name});
    }
}


# Waits until it has gone.
sub end_daemon {
    my ($d) = @_;

    my $deadline = time + STOP;

    return if !$d->{pid};

    $d->{asked} = 1;
    kill('TERM', $d->{pid});

    while ($d->{pid} && time < $deadline) {
        select(undef, undef, undef, TICK / 4);
        reap();
    }

    return if !$d->{pid};

    kill('KILL', -$d->{pid});
    waitpid($d->{pid}, 0);
    $d->{pid} = undef;
}


# --- whether everything answers

sub url {
    my ($port, $path) = @_;

    return "http://127.0.0.1:$value{$port}$path";
}


sub decode {
    my ($response) = @_;

    return eval { JSON::PP->new->decode($response->{content}) } || {};
}


# What is missing, in words; nothing if everything is there.
sub waits_for {
    for my $name (@order) {
        return $name if !$daemon{$name}{pid} || !length $value{KAFKA};
    }

    return logic_waits_for() || nginx_waits_for();
}


sub logic_waits_for {
    my $answer = $http->get(url('LOGIC_PORT', '/health'));
    my $health = decode($answer);

    return if $answer->{success};
    return "Kafka at $value{KAFKA}" if ($health->{kafka} || '') eq 'down';
    return "Redis at $value{REDIS}" if ($health->{store} || '') eq 'down';
    return 'goim-logic';
}


sub nginx_waits_for {
    my $answer = $http->get(url('WS_PORT', '/goim/status'));
    my $status = decode($answer);
    my $lane = ($status->{lanes} || [])->[0];
    my $workers = grep { !$_->{draining} } @{$status->{workers} || []};

    return 'nginx' if !$answer->{success} || !$lane || $workers < 2;
    return 'goim-job'
        if !$lane->{held} || $lane->{pid} != $daemon{'goim-job'}{pid};
    return 'goim-job to find the topic ' . TOPIC if !$lane->{partitions};
    return probe($lane->{seq}) if $value{MOCK};
    return;
}


# A message to a room that nobody is in: by all of the way but the last step.
# Only through the mock: others may listen to a real Kafka.
sub probe {
    my ($seq) = @_;

    return if defined $probe{seq} && $seq > $probe{seq};

    if (!$probe{sent} || time - $probe{sent} > PROBE) {
        %probe = (sent => time, seq => $seq);
        $http->post(url('LOGIC_PORT', '/goim/push/room?operation=1000'
                        . '&type=demo&room=ready'), { content => 'ready' });
    }

    return 'a first message to arrive';
}


# --- what the user is told

# A PushMsg for kcat (docs/kafka.md), as printf takes it.
sub push_msg {
    my ($room, $text) = @_;

    my $bytes = "\x08\x01\x10\xe8\x07\x2a" . chr(length $room) . $room
        . "\x3a" . chr(length $text) . $text;
    $bytes =~ s{([^\w:/ ])}{sprintf('\\%03o', ord $1)}ge;

    return $bytes;
}


sub tell_ready {
    my $again = defined $told;

    if ($again && $told eq $value{KAFKA}) {
        print "ready again\n";
        return;
    }

    my $room = 'live://1000';
    my $msg = push_msg($room, 'hello from kcat');
    my $mock = $value{MOCK} ? ' (a mock: what it holds ends with the demo)'
                            : '';
    my $store = $value{REDIS} eq '' ? 'in goim-logic\'s memory'
                                    : "in Redis at $value{REDIS}";
    my $page = url('WS_PORT', '/');

    $told = $value{KAFKA};

    print 'ready', $again ? ' again' : '', <<"END";
: open $page in two windows, and write

  page        $page
  WebSocket   ws://127.0.0.1:$value{WS_PORT}/sub
  TCP         127.0.0.1:$value{TCP_PORT}
  goim-logic  @{[url('LOGIC_PORT', '/')]}
  status      @{[url('WS_PORT', '/goim/status')]}
  Kafka       $value{KAFKA}$mock
  sessions    $store
  logs        $dir
  reload      kill -HUP $daemon{nginx}{pid}

  Anybody may be anybody here ([auth] mode = open): not for service.

A push to the room $room, over HTTP and straight into Kafka:

  curl -d 'hello from curl' '@{[url('LOGIC_PORT', '/goim/push/room')]}?operation=1000&type=live&room=1000'

  printf '$msg' | kcat -P -b $value{KAFKA} -t @{[TOPIC]} -k $room -X partitioner=fnv1a_random

Ctrl-C ends it.
END
}


sub look_whether_ready {
    return if $ready;

    my $missing = waits_for();

    if (!defined $missing) {
        $ready = 1;
        tell_ready();

    } elsif (time > $tell_at) {
        say_line("waiting for $missing");
        $tell_at = time + TELL;
    }
}


# --- the end

sub main {
    $SIG{$_} = sub { $stop = 1 } for qw(INT TERM HUP);
    $SIG{PIPE} = 'IGNORE';
    STDOUT->autoflush(1);

    read_settings();
    check_ports();
    make_folders();
    add_daemons();
    write_conf('nginx.conf');

    if (!$value{MOCK}) {
        write_conf($_) for qw(goim-job.conf goim-logic.conf);
    }

    until ($stop) {
        reap();
        start_what_is_due();
        take_address();
        look_whether_ready();
        select(undef, undef, undef, TICK) if !$stop;
    }

    print "\ndemo: stopping\n";
}


END {
    if ($$ == $main_pid) {
        my $code = $? ? 1 : 0;

        $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);

        # in turn, so that each still has what it needs for its own end
        end_daemon($daemon{$_}) for reverse @order;

        remove_tree(grep { defined } $dir, $shm);

        $? = $code;
    }
}

main();
