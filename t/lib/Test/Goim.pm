# The harness: one comet host with all that belongs to it - Kafka, a service
# for goim_auth or goim-logic, nginx with the module, goim-job - on ports and in folders of
# its own, and what every test checks at its end.
#
#     use Test::More;
#     use Test::Goim tests => 2;
#
#     my $goim = Test::Goim->new(workers => 2)->start;
#     my $client = $goim->connect_ws->join_room('live://1');
#
#     $goim->push_room('live://1', 1000, 'hello');
#     is($client->next_body, 'hello', 'a member receives the push');
#     ok($client->silent(0.2), 'and only once');
#
# "tests" counts the test's own checks; the harness adds its own.
#
# Environment: GOIM_NGINX, GOIM_MODULE, GOIM_JOB, GOIM_LOGIC name the programs under
# test, GOIM_TOOLS the folder of those of t/tools; GOIM_SAN tells that they
# have sanitizers, so that deadlines are longer; GOIM_KEEP keeps the folder;
# GOIM_LOG is nginx's log level; GOIM_TEST_LIMIT ends a test that hangs.

package Test::Goim;

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP;
use List::Util qw(sum);
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use Test::Builder;

use Test::Goim::Auth;
use Test::Goim::Browser;
use Test::Goim::Client;
use Test::Goim::Daemon;
use Test::Goim::FrameClient;
use Test::Goim::JsClient;
use Test::Goim::Kafka;
use Test::Goim::Loop qw(patience wait_until);
use Test::Goim::Nginx;
use Test::Goim::Process;
use Test::Goim::Producer;
use Test::Goim::Redis;
use Test::Goim::Relay;
use Test::Goim::Store;
use Test::Goim::TcpClient;
use Test::Goim::Util qw(slurp spew tail reserve_ports http_request);

# how many checks finish() makes
use constant CHECKS => 6;

# seconds until a hanging test is ended
use constant LIMIT => 240;

use constant DEBIANS => '/usr/sbin/nginx';

my $top = abs_path(dirname(__FILE__) . '/../../..');
my $main_pid = $$;
my @hosts;


sub import {
    my ($class, %opt) = @_;

    my $caller = caller;

    { no strict 'refs'; *{"${caller}::wait_until"} = \&wait_until; }

    $class->plan($opt{tests}) if $opt{tests};

    $SIG{$_} = sub { die "ended by a signal\n" } for qw(INT TERM HUP);

    # again and again: an eval might take the first one for its own
    $SIG{ALRM} = sub { alarm(5); die "the test hangs\n" };
    alarm($ENV{GOIM_TEST_LIMIT} || LIMIT * patience());
}


# For tests that find out first whether they can run at all.
sub plan {
    my ($class, $n) = @_;

    Test::Builder->new->plan(tests => $n + CHECKS);
}


# Whether sanitizers slow everything down: a test may do with less.
sub sanitized {
    return $ENV{GOIM_SAN} ? 1 : 0;
}


# kafka => 'mock', 'real' or 0; brokers => 1;
# topics => { 'goim-push-topic' => 1 }, names and partitions;
# auth => 1, nginx => 1: or 0 for none;
# echo => 0, or 1 for the module of "make WS_ECHO=1";
# job => 1, 0, or { section => { name => value } } for goim-job.conf;
# logic => 0, 1, or the same for goim-logic.conf: then it is there in place of
# the service for goim_auth, or that of another host, a Test::Goim;
# binary, module_path: files in the test's folder that are used as nginx and its
# module;
# redis => 0: how many Redis servers goim-logic keeps sessions in; 0: memory;
# all others are for nginx.conf, see Test::Goim::Nginx.
sub new {
    my ($class, %opt) = @_;

    my $self = bless { jobs => [], clients => [] }, $class;
    my %part = (kafka => 'mock', brokers => 1, auth => 1, nginx => 1,
                echo => 0, job => 1, logic => 0, redis => 0,
                topics => { 'goim-push-topic' => 1 },
                binary => undef, module_path => undef);

    for my $name (keys %part) {
        $part{$name} = delete $opt{$name} if exists $opt{$name};
    }

    $self->{wanted} = \%part;
    $self->{conf} = { $ENV{GOIM_LOG} ? (log_level => $ENV{GOIM_LOG}) : (),
                      %opt };
    $self->{tools} = $ENV{GOIM_TOOLS} || "$top/build/t";

    push @hosts, $self;
    $self->make_folders;

    return $self;
}


sub make_folders {
    my ($self) = @_;

    # workers run as another user, and a channel belongs into memory
    $self->{dir} = tempdir('goim-test-XXXXXXXX', TMPDIR => 1);
    $self->{shm} = tempdir('goim-test-XXXXXXXX',
                           DIR => -w '/dev/shm' ? '/dev/shm' : $self->{dir});
    mkdir("$self->{dir}/reports") or croak("$self->{dir}: $!");

    chmod(0755, $self->{dir}, $self->{shm});
    chmod(01777, "$self->{dir}/reports");

    my $path = "log_path=$self->{dir}/reports/san";

    # each of nginx's dynamic modules has an ngx_modules of its own
    $ENV{ASAN_OPTIONS} = "detect_odr_violation=0:$path";
    $ENV{UBSAN_OPTIONS} = "print_stacktrace=1:$path";

    # what a worker's end leaves of nginx's own, without a module that has it
    spew("$self->{dir}/lsan", "leak:ngx_event_process_init\n");
    $ENV{LSAN_OPTIONS} = "print_suppressions=0:"
        . "suppressions=$self->{dir}/lsan";
}


sub channel_path { return "$_[0]{shm}/channel" }


# The files of the channel's generations.
sub generations {
    my ($self) = @_;

    my @files = grep { /\.\d+\.\d+$/ } glob($self->channel_path . '.*');

    return @files;
}




# --- starting and stopping

sub start {
    my ($self) = @_;

    my $wanted = $self->{wanted};

    $self->{kafka} = $wanted->{logic}{kafka}
        if ref $wanted->{logic} eq 'Test::Goim';

    if ($wanted->{kafka} && !$self->start_kafka) {
        croak('Kafka can\'t be had');
    }

    if ($wanted->{logic}) {
        $self->use_logic;

    } elsif ($wanted->{auth}) {
        $self->{auth} = Test::Goim::Auth->new(dir => $self->{dir});
    }

    $self->make_nginx->start if $wanted->{nginx};
    $self->add_job->start if $wanted->{job} && $wanted->{kafka};

    return $self;
}


# Whether Kafka is there now; a real one can't be fetched everywhere.
sub start_kafka {
    my ($self) = @_;

    return 1 if $self->{kafka};

    my $wanted = $self->{wanted};

    $self->{kafka} = Test::Goim::Kafka->new(
        type => $wanted->{kafka}, brokers => $wanted->{brokers},
        topics => $wanted->{topics}, dir => $self->{dir},
        tools => $self->{tools}, scripts => "$top/t/tools") or return;

    my ($topic) = sort keys %{$wanted->{topics}};
    $self->{producer} = $self->add_producer($topic);

    return 1;
}


# A producer for one topic; properties are librdkafka's, 'name=value'.
sub add_producer {
    my ($self, $topic, @properties) = @_;

    my $producer = Test::Goim::Producer->new(
        dir => $self->{dir}, tools => $self->{tools}, topic => $topic,
        bootstrap => $self->{kafka}->bootstrap, properties => \@properties);

    push @{$self->{producers}}, $producer;

    return $producer;
}


# Who reads all that is in Kafka; see t/tools/witness.c.
sub witness {
    my ($self) = @_;

    my $witness = Test::Goim::Process->new(
        name => 'witness', dir => $self->{dir}, pipe => 1,
        out => "$self->{dir}/witness.err",
        argv => ["$self->{tools}/witness", $self->{kafka}->bootstrap,
                 'goim-push-topic']);

    push @{$self->{tools_running}}, $witness;

    return $witness;
}


# nginx as an object, not yet started: enough for nginx -t.
sub make_nginx {
    my ($self) = @_;

    return $self->{nginx} if $self->{nginx};

    my $own = $self->{wanted};
    my $module = $own->{module_path} ? "$self->{dir}/$own->{module_path}"
                                     : module();

    if ($self->{wanted}{echo}) {
        $module =~ s{([^/]+)$}{echo/$1};
        croak("$module: \"make WS_ECHO=1\" builds it") if !-f $module;
    }

    return $self->{nginx} = Test::Goim::Nginx->new(
        dir => $self->{dir}, channel_path => $self->channel_path,
        auth_port => $self->{auth} && $self->{auth}->port,
        logic_port => $self->{logic_port},
        binary => $own->{binary} ? "$self->{dir}/$own->{binary}" : binary(),
        module_path => $module,
        conf => $self->{conf});
}


# A goim-job, not yet started; the first is $goim->job.  %conf is laid over
# what new() was given.
sub add_job {
    my ($self, %conf) = @_;

    my $topics = $self->{wanted}{topics};
    my $common = $self->{wanted}{job};
    my $n = @{$self->{jobs}} + 1;
    my %all = (
        channel => { path => $self->channel_path },
        kafka => { 'brokers' => $self->{kafka} && $self->{kafka}->bootstrap,
                   'topics' => join(',', sort keys %$topics),
                   'auto.offset.reset' => 'earliest' },
        job => { server_id => 'comet-1' },
    );

    # the mock cluster sleeps the whole time, whatever comes meanwhile
    $all{kafka}{'fetch.wait.max.ms'} = 10
        if ($self->{wanted}{kafka} || '') eq 'mock';

    for my $layer (ref $common ? $common : {}, \%conf) {
        $all{$_} = { %{$all{$_} || {}}, %{$layer->{$_}} } for keys %$layer;
    }

    push @{$self->{jobs}}, Test::Goim::Daemon->new(
        dir => $self->{dir}, name => $n > 1 ? "job$n" : 'job',
        binary => absolute($ENV{GOIM_JOB} || 'build/goim-job'),
        conf => \%all);

    return $self->{jobs}[-1];
}


# A goim-logic of our own, or another host's and its Kafka.
sub use_logic {
    my ($self) = @_;

    my $wanted = $self->{wanted};

    if (ref $wanted->{logic} eq 'Test::Goim') {
        $self->{logic_port} = $wanted->{logic}{logic_port};
        return;
    }

    $self->{logic_port} = reserve_ports(1);
    $self->add_redis->start for 1 .. $wanted->{redis};
    $self->add_logic->start;
}


# A goim-logic, not yet started; the first is $goim->logic, and all listen on
# one port if %conf does not say otherwise.
sub add_logic {
    my ($self, %conf) = @_;

    my $common = $self->{wanted}{logic};
    my $n = @{$self->{logics} || []} + 1;
    my %all = (
        http => { listen => "127.0.0.1:$self->{logic_port}" },
        kafka => { brokers => $self->{kafka} && $self->{kafka}->bootstrap },
        session => { store => 'memory' },
        auth => { mode => 'open' },
    );

    if ($self->{wanted}{redis}) {
        $all{session}{store} = 'redis';
        $all{redis}{servers} = join(',', map { $_->address }
                                    @{$self->{redis}});
    }

    for my $layer (ref $common ? $common : {}, \%conf) {
        $all{$_} = { %{$all{$_} || {}}, %{$layer->{$_}} } for keys %$layer;
    }

    push @{$self->{logics}}, Test::Goim::Daemon->new(
        dir => $self->{dir}, name => $n > 1 ? "logic$n" : 'logic',
        binary => absolute($ENV{GOIM_LOGIC} || 'build/goim-logic'),
        conf => \%all);

    return $self->{logics}[-1];
}


# A line that loads a module of Debian's, as libnginx-mod-... installs it, into
# Debian's nginx; an empty one if nginx was configured with the option for it;
# nothing if it can't be had.
sub load_line {
    my ($class, $module, $option) = @_;

    my $binary = binary();
    my $file = "/usr/lib/nginx/modules/$module.so";

    return '' if $option && `$binary -V 2>&1` =~ /\Q$option\E(\s|$)/;
    return $binary eq DEBIANS && -f $file ? "load_module $file;\n" : undef;
}


sub binary { return $ENV{GOIM_NGINX} || DEBIANS }


# "1.22.1", of the nginx that is tested.
sub nginx_version {
    my $binary = binary();

    return (`$binary -v 2>&1` =~ m{nginx/(\S+)})[0];
}


sub module {
    return absolute($ENV{GOIM_MODULE} || 'build/ngx_http_goim_module.so');
}


# A Redis server, options as Test::Goim::Redis has them, not yet started.
sub add_redis {
    my ($self, %opt) = @_;

    my $redis = Test::Goim::Redis->new(dir => $self->{dir}, %opt);
    push @{$self->{redis}}, $redis;

    return $redis;
}


# A session store in a process of its own, see Test::Goim::Store.
sub add_store {
    my ($self, %opt) = @_;

    my $store = Test::Goim::Store->new(
        dir => $self->{dir}, %opt,
        binary => sanitized() ? absolute('build/san/t/session_store')
                              : "$self->{tools}/session_store");
    push @{$self->{stores}}, $store;

    return $store;
}


# Paths in the environment are as seen from the tree's top folder.
sub absolute {
    my ($path) = @_;

    return $path =~ m{^/} ? $path : "$top/$path";
}


sub dir { return $_[0]{dir} }
sub nginx { return $_[0]{nginx} }
sub port { return $_[0]{nginx}->port }
sub job { return $_[0]{jobs}[0] }
sub logic { return $_[0]{logics}[0] }
sub redis { return $_[0]{redis}[$_[1] || 0] }
sub logic_port { return $_[0]{logic_port} }
sub kafka { return $_[0]{kafka} }
sub producer { return $_[0]{producer} }
sub auth { return $_[0]{auth} }


sub stop {
    my ($self) = @_;

    return if $self->{stopped}++;

    $_->disconnect for @{$self->{clients}};

    push @{$self->{worker_faults}}, $self->{nginx}->unexpected_workers
        if $self->{nginx} && $self->{nginx}->alive;

    $_->stop for @{$self->{jobs}};

    push @{$self->{end_faults}}, 'a session store ends badly'
        if grep { !$_->end } @{$self->{stores} || []};

    push @{$self->{end_faults}}, 'nginx does not stop'
        if $self->{nginx} && !$self->{nginx}->stop;

    # workers tell it of their end
    $_->stop for @{$self->{logics} || []};

    push @{$self->{end_faults}}, map { "$_->{name} exits with "
                                       . $_->ended_badly }
        grep { $_->ended_badly } @{$self->{jobs}}, @{$self->{logics} || []};

    $_ && $_->stop for @{$self->{producers}}, @{$self->{tools_running}},
        @{$self->{redis} || []},
        $self->{auth},
        ref $self->{wanted}{logic} eq 'Test::Goim' ? () : $self->{kafka};
}


# --- what tests say most

# A WebSocket client with its handshake on the way; options as
# Test::Goim::Client has them, or another class.
sub connect_ws {
    my ($self, %opt) = @_;

    my $class = delete $opt{class} || 'Test::Goim::Client';
    my $client = $class->new(port => $self->port, %opt);
    push @{$self->{clients}}, $client;

    return $client;
}


# The JavaScript client, not yet connected; its options, and url for another
# place than ours.
sub js_client {
    my ($self, %opt) = @_;

    my $url = delete $opt{url};
    $url = 'ws://127.0.0.1:' . $self->port . '/sub' if !defined $url;

    my $client = Test::Goim::JsClient->new(
        dir => $self->dir, url => $url, options => \%opt);
    push @{$self->{tools_running}}, $client;

    return $client;
}


# A browser, once nginx is there.
sub browser {
    my ($self) = @_;

    my $browser = Test::Goim::Browser->new(dir => $self->dir);
    push @{$self->{tools_running}}, $browser;

    return $browser;
}


# The folder "site" with all that clients/ has, where workers may read it.
sub make_site {
    my ($self) = @_;

    my $site = $self->dir . '/site';
    mkdir($site) or croak("$site: $!");

    for my $path (glob("$top/clients/demo/*"), glob("$top/clients/js/*.js")) {
        my ($folder, $name) = $path =~ m{/(demo|js)/([^/]+)$};
        my $to = $folder eq 'js' ? "$site/js" : $site;

        mkdir($to) if !-d $to;
        spew("$to/$name", slurp($path));
    }

    return $site;
}


# One of goim's TCP protocol, to the server with PORT_tcp.
sub connect_tcp {
    my ($self, %opt) = @_;

    my $client = Test::Goim::TcpClient->new(
        port => $self->{nginx}->extra_port('tcp'), %opt);
    push @{$self->{clients}}, $client;

    return $client;
}


# The same as connect_ws(), or connect_tcp() with tcp => 1, through TLS:
# openssl encrypts what goes through a pair of sockets, and reads no further
# than its side of the pair is read.  A preface stands in front of TLS; sni is
# the server's name in it.
sub connect_tls {
    my ($self, $port, %opt) = @_;

    if (defined $opt{preface}) {
        $port = Test::Goim::Relay->new(
            port => $port, preface => delete $opt{preface})->listens_on;
    }

    my $class = delete $opt{tcp} ? 'Test::Goim::TcpClient'
                                 : 'Test::Goim::Client';
    my $sni = delete $opt{sni};

    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
        or croak("socketpair: $!");
    $ours->blocking(0);

    push @{$self->{tools_running}}, Test::Goim::Process->new(
        name => 's_client', dir => $self->{dir}, stdio => $theirs,
        out => "$self->{dir}/s_client.err",
        argv => ['/usr/bin/openssl', 's_client', '-quiet', '-nocommands',
                 '-connect', "127.0.0.1:$port",
                 defined $sni ? ('-servername', $sni) : ()]);

    my $client = $class->new(socket => $ours, %opt);
    push @{$self->{clients}}, $client;

    return $client;
}


# Many at once, all authenticated when it returns; the options, token among
# them, as a hash or, for different ones, a function of the index.
sub connect_many {
    my ($self, $n, $options) = @_;

    my @clients = map {
        $self->connect_ws(%{ref $options eq 'CODE' ? $options->($_)
                                                   : $options})
    } 0 .. $n - 1;

    wait_until(30, "$n clients to be authenticated", sub {
        die "a client was closed instead of authenticated\n"
            if grep { $_->is_closed } @clients;
        return !grep { !$_->is_authenticated } @clients;
    });
    $_->reply(8) for @clients;

    return @clients;
}


# As connect_many(), so many that each worker has at least $n; those of one
# worker after those of another.
sub connect_spread {
    my ($self, $n, $options) = @_;

    my (@clients, %on);

    for (1 .. 20) {
        push @clients, $self->connect_many($n, $options);

        my @pids = $self->worker_of(@clients);
        %on = ();
        push @{$on{$pids[$_]}}, $clients[$_] for 0 .. $#clients;

        my @enough = grep { @$_ >= $n } values %on;
        next if @enough < $self->{nginx}->workers;

        return map { @{$on{$_}} } sort { $a <=> $b } keys %on;
    }

    croak('some worker gets no connections');
}


# Whether all clients, numbers => 1, have got a number; tells which have not.
sub all_reach {
    my ($self, $number, $seconds, @clients) = @_;

    my @late;

    return 1 if wait_until($seconds, undef, sub {
        @late = grep { $_->last_number < $number } @clients;
        return !@late;
    });

    Test::Builder->new->diag(
        @late . ' clients are late, the first of them at '
        . $late[0]->last_number . ' of ' . $number
        . ($late[0]->is_closed ? ', closed' : ''));

    return 0;
}


# A stream in parts, each of which clients have got before the next one comes:
# however slow they are, they are never far behind.  count => 1000, size => of
# a body, part => 25.  Whether all of them got all of it.
sub stream_in_step {
    my ($self, $rooms, $clients, %opt) = @_;

    my $part = $opt{part} || 25;

    for (my $first = 1; $first <= $opt{count}; $first += $part) {
        my $left = $opt{count} - $first + 1;
        my $n = $left < $part ? $left : $part;

        $self->{producer}->wait_stream($self->stream(
            $rooms, first => $first, count => $n, size => $opt{size}));
        $self->all_reach($first + $n - 1, 30, @$clients) or return 0;
    }

    return 1;
}


# What is wrong with the numbers that clients have got: each must have those
# from $first, or whatever came first to it, to $last.
sub faults {
    my ($self, $first, $last, @clients) = @_;

    my @faults;

    for my $client (@clients) {
        my $from = defined $first ? $first : $client->first_number;

        push @faults, $client->faults;
        push @faults, 'begins with ' . $client->first_number
            if defined $first && ($client->first_number || 0) != $first;
        push @faults, 'ends with ' . $client->last_number
            if defined $last && $client->last_number != $last;
        push @faults, 'has ' . $client->count . ' numbers'
            if $client->count
               && $client->count != $client->last_number - $from + 1;

        last if @faults > 10;
    }

    return \@faults;
}


# The pid of the worker that serves a client; a list of them for several.
sub worker_of {
    my ($self, @clients) = @_;

    my $worker = $self->{nginx}->worker_of_ports;
    my @pids = map { $worker->{$_->local_port} } @clients;

    return wantarray ? @pids : $pids[0];
}


# key.pem and cert.pem in the test's folder, for localhost; before start().
sub make_certificate {
    my ($self) = @_;

    my $dir = $self->dir;
    my $made = Test::Goim::Process->new(
        name => 'openssl', dir => $dir, out => "$dir/openssl.out",
        argv => ['/usr/bin/openssl', qw(req -x509 -newkey rsa:2048 -nodes
                 -days 2 -subj /CN=localhost -keyout), "$dir/key.pem",
                 '-out', "$dir/cert.pem"]);

    $made->wait(30) && $made->status == 0
        or croak('no certificate is made');

    return $self;
}


# A request to goim-logic; options as http_request() has them.
sub ask_logic {
    my ($self, $path, %opt) = @_;

    return http_request($self->{logic_port}, $path, %opt);
}


# /goim/status, decoded.
sub status {
    my ($self, $path) = @_;

    # nginx lets a connection without a request go where it has few left, and
    # at a reload; the client comes again
    my $answer;
    for (1 .. 5) {
        $answer = $self->{nginx}->get($path || '/goim/status') and last;
    }

    croak('no answer to the status request') if !$answer;
    croak("status is answered $answer->{status}")
        if $answer->{status} != 200;

    return JSON::PP->new->decode($answer->{body});
}


# start() where the system refuses what workers say to each other: the settings
# of t/tools/handover_preload.c.
sub start_refused {
    my ($self, %settings) = @_;

    local @ENV{keys %settings} = values %settings;
    local $ENV{LD_PRELOAD} = "$self->{tools}/handover_preload.so";
    local $ENV{ASAN_OPTIONS} = "$ENV{ASAN_OPTIONS}:verify_asan_link_order=0";

    return $self->start;
}


# What all workers have counted so far, those that have ended as well: the sum
# of these counters.
sub counted {
    my ($self, @names) = @_;

    my $status = $self->status;

    return sum(map { $status->{total}{$_} + $status->{ended}{$_} } @names);
}


sub push_room { my $self = shift; return $self->{producer}->room(@_) }
sub push_rooms { my $self = shift; return $self->{producer}->rooms(@_) }
sub push_keys { my $self = shift; return $self->{producer}->keys(@_) }
sub push_all { my $self = shift; return $self->{producer}->all(@_) }
sub push_value { my $self = shift; return $self->{producer}->value(@_) }
sub committed { my $self = shift; return $self->{producer}->committed(@_) }
sub kick { my $self = shift; return $self->{producer}->kick(@_) }
sub stream { my $self = shift; return $self->{producer}->stream(@_) }

sub reload { my $self = shift; return $self->{nginx}->reload(@_) }
sub nginx_t { my $self = shift; return $self->make_nginx->test(@_) }
sub worker_pids { return $_[0]{nginx}->worker_pids }
sub kill_worker { my $self = shift; $self->{nginx}->kill_worker(@_) }
sub allow_alerts { my $self = shift; $self->{nginx}->allow_alerts(@_) }
sub error_log { return slurp("$_[0]{dir}/error.log") }


# --- the end of a test

# What every test must leave behind, over all its hosts.
sub finish {
    my %found = map { $_ => [] } qw(alert report left worker end);

    # who borrows comes after who lends
    $_->stop for reverse @hosts;

    for my $host (@hosts) {
        push @{$found{left}}, Test::Goim::Process->leftovers($host->{dir});
        push @{$found{alert}}, $host->{nginx} ? $host->{nginx}->alerts : ();
        push @{$found{report}},
            (map { slurp($_) } glob("$host->{dir}/reports/*")),
            $host->sanitizer_words;
        push @{$found{worker}}, @{$host->{worker_faults} || []};
        push @{$found{end}}, @{$host->{end_faults} || []};
    }

    none($found{alert}, 'no alerts in the error log');
    none($found{report}, 'no reports of sanitizers');
    none($found{left}, 'no process left over');
    none($found{worker}, 'the same workers all the time');
    none($found{end}, 'everything ends when asked');
    none(\@Test::Goim::Client::violations,
         'all that clients got is in the protocol');
}


# What a sanitizer says where the others write: UBSan reads its options when it
# has something to report, and by then nginx has its title where they stood.
sub sanitizer_words {
    my ($self) = @_;

    return map { grep { /:\d+:\d+: runtime error: |ERROR: \w+Sanitizer/ }
                 split(/\n/, slurp($_)) } glob("$self->{dir}/*.{log,out,err}");
}


sub none {
    my ($found, $name) = @_;

    my $test = Test::Builder->new;

    $test->ok(!@$found, $name) or $test->diag(join("\n", @$found));
}


sub show_logs {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $test = Test::Builder->new;

    for my $path (glob("$dir/*.{log,out,err} $dir/{kafka/*.log,reports/*}")) {
        my $text = tail($path, 40);
        $test->diag("--- the end of $path\n$text") if length $text;
    }
}


END {
    if ($$ == $main_pid) {
        my $code = $?;
        my $test = Test::Builder->new;

        alarm(0);
        $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);

        if ($code == 0 && ($test->has_plan || 0) > CHECKS) {
            eval { finish(); 1 } or $test->ok(0, "the end: $@");
        }

        for my $host (@hosts) {
            eval { $host->stop };
            Test::Goim::Process->leftovers($host->{dir});
            $host->show_logs if $code != 0 || !$test->is_passing;
            remove_tree($host->{shm});

            if ($ENV{GOIM_KEEP}) {
                $test->diag("kept: $host->{dir}");

            } else {
                remove_tree($host->{dir});
            }
        }

        $? = $code;
    }
}


1;
