# Faults at random, in any order and over each other, while numbered streams go
# to clients that come again whenever they are sent away: what each client got
# on each of its connections is held against what a witness found in Kafka.
#
#     my $chaos = Test::Goim::Chaos->new(clients => 100, rate => 50);
#     $chaos->run(20, qw(job worker reload));
#     $chaos->calm;
#     is_deeply($chaos->end, [], 'nothing was lost');
#
# GOIM_SEED repeats the choices of a run, though not its moments.

package Test::Goim::Chaos;

use strict;
use warnings;

use Time::HiRes qw(time);

use Test::Goim::Loop qw(wait_until);

# The stall is longer than any stop: nobody is gone on without.
my @channels = map { "$_ stall=60s" }
    ('size=64k', 'size=128k lanes=2', 'size=256k lanes=4', 'size=16k');

# Whatever the classes are, their backlog is enough for all.
my @classes = (
    'goim_room live://* { backlog 64m; }',
    'goim_room live://1 { backlog 64m; overflow close; }
     goim_room live://* { backlog 64m; flush 20ms; }',
    'goim_room * { backlog 64m; }',
);

my %fault = (
    job => \&kill_job,
    worker => \&kill_worker,
    reload => \&reload,
    stop_worker => \&stop_worker,
    stop_job => \&stop_job,
    broker => \&change_broker,
    churn => \&churn,
    redis => \&hit_redis,
    logic => \&kill_logic,
);


# clients => 100, rate => numbers a second, to each of 8 rooms; all else is for
# Test::Goim, whose "http" stands before the room classes.
sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        rooms => [map { "live://$_" } 1 .. 8], ends => {},
        numbers => 0, sent => 0, did => {}, down => {}, stopped => [],
        suspects => [],
        seed => $ENV{GOIM_SEED} || int(rand(1e9)),
    }, $class;
    my $clients = delete $opt{clients} || 100;

    $self->{rate} = delete $opt{rate} || 50;
    srand($self->{seed});
    $self->{http} = delete $opt{http} || 'goim_drain 500ms;';

    my $goim = $self->{goim} = Test::Goim->new(
        workers => 2, listen => 'reuseport', brokers => 3,
        topics => { 'goim-push-topic' => 4 },
        channel => $channels[0], http => "$self->{http} " . $classes[0],
        servers => '%%TCP_SERVER%%', %opt,
        job => { kafka => { 'reconnect.backoff.ms' => 50,
                            'reconnect.backoff.max.ms' => 500 } })->start;

    $self->{witness} = $goim->witness;
    $self->{jobs} = [$goim->job, $goim->add_job];
    $self->{jobs}[1]->start(ready => 0);

    $self->{clients} = [map { $self->connect_one($_) } 0 .. $clients - 1];
    $self->begin;

    return $self;
}


# The stream; again after settle().
sub begin {
    my ($self) = @_;

    $self->{stream} = $self->{goim}->stream(
        $self->{rooms}, first => $self->{sent} + 1, count => 1e9,
        rate => $self->{rate}, size => 30);
}


sub goim { return $_[0]{goim} }
sub clients { return @{$_[0]{clients}} }


sub room_of {
    my ($self, $i) = @_;

    return $self->{rooms}[$i % @{$self->{rooms}}];
}


# One of three speaks TCP.
sub connect_one {
    my ($self, $i) = @_;

    my %opt = (numbers => 1, token => {
        room_id => $self->room_of($i), mid => $i + 1,
        accepts => [1000], test => { heartbeat => 86400 } });

    return $i % 3 ? $self->{goim}->connect_ws(%opt)
                  : $self->{goim}->connect_tcp(%opt);
}


# Those that have gone are judged, and come again.
sub reconnect {
    my ($self) = @_;

    my $goim = $self->{goim};
    my $gone = 0;

    for my $i (0 .. $#{$self->{clients}}) {
        my $client = $self->{clients}[$i];
        next if !$client->is_closed;

        $gone++;
        $self->{ends}{$client->expect_close}++;
        $self->judge($client, $i);
        $self->{clients}[$i] = $self->connect_one($i);
    }

    # or the harness keeps all that ever were
    @{$goim->{clients}} = grep { !$_->is_closed } @{$goim->{clients}}
        if $gone;

    return;
}


sub judge {
    my ($self, $client, $i, $last) = @_;

    return if !$client->count && !$last;

    my $faults = $self->{goim}->faults(undef, $last, $client);

    $self->{numbers} += $client->count;
    push @{$self->{suspects}}, {
        name => "client $i", room => $self->room_of($i), faults => $faults,
        more => $client->count - $client->last_number
                + $client->first_number - 1,
    } if @$faults;
}


# What is wrong with those that were judged, and is not so in Kafka.
sub faults {
    my ($self) = @_;

    my $witness = $self->{witness};
    my $all = $self->{sent} * @{$self->{rooms}};
    my @faults;

    wait_until(60, 'the witness to have read all', sub {
        $witness->say('?');
        return ($witness->answer(qr/^read /) =~ /(\d+)/)[0] >= $all;
    });

    my %of_kafka = map { $_ => 1 } grep { / after / } @{$witness->{lines}};

    for my $suspect (@{$self->{suspects}}) {
        my ($room, $more) = @$suspect{qw(room more)};
        my @own;

        for my $fault (@{$suspect->{faults}}) {
            if ($of_kafka{"$room $fault"}) {
                my ($now, $before) = $fault =~ /(\d+) after (\d+)/;
                $more -= $before - $now + 1;

            } else {
                push @own, $fault;
            }
        }

        # as many as Kafka has
        @own = grep { !/^has / } @own if $more == 0;

        push @faults, map { "$suspect->{name}: $_" } @own;
    }

    return @faults;
}


# Waits, and has clients come again meanwhile.
sub wait_for {
    my ($self, $seconds, $what, $condition) = @_;

    return wait_until($seconds, $what, sub {
        $self->reconnect;
        return $condition->();
    });
}


sub pass_time {
    my ($self, $seconds) = @_;

    my $until = time + $seconds;

    $self->wait_for($seconds + 5, undef, sub { return time > $until });
}


# Faults of these kinds for so long.
sub run {
    my ($self, $seconds, @kinds) = @_;

    my $end = time + $seconds;

    while (time < $end) {
        $self->pass_time(rand(0.8));
        kill('CONT', splice(@{$self->{stopped}}));

        my $kind = $kinds[rand @kinds];
        $self->{did}{$kind}++;
        $fault{$kind}->($self);
    }
}


# The one that holds the lanes, or the other; one of them runs again.
sub kill_job {
    my ($self) = @_;

    my $jobs = $self->{jobs};
    my $job = $jobs->[rand @$jobs];

    $job->kill9 if $job->alive;
    $_->alive || rand() < 0.2 || $_->start(ready => 0) for @$jobs;
    $jobs->[0]->start(ready => 0) if !grep { $_->alive } @$jobs;
}


sub kill_worker {
    my ($self) = @_;

    my @pids = $self->{goim}->worker_pids;
    $self->{goim}->kill_worker('KILL', $pids[rand @pids]);
}


sub reload {
    my ($self) = @_;

    my @conf;

    push @conf, channel => $channels[rand @channels] if rand() < 0.3;
    push @conf, workers => 1 + int(rand(3)) if rand() < 0.3;
    push @conf, http => "$self->{http} " . $classes[rand @classes]
        if rand() < 0.3;

    $self->{goim}->reload(@conf);

    # often the next fault comes before the old workers have gone; but each
    # keeps its generation, of which goim-job feeds a dozen
    $self->wait_for(60, 'the old workers to end', sub {
        return !$self->{goim}->nginx->old_worker_pids;
    }) if rand() < 0.7;
}


# Runs again before the next fault, well within the stall.
sub stop_one {
    my ($self, $pid) = @_;

    kill('STOP', $pid);
    push @{$self->{stopped}}, $pid;
}


sub stop_worker {
    my ($self) = @_;

    my @pids = $self->{goim}->worker_pids;
    $self->stop_one($pids[rand @pids]);
}


sub stop_job {
    my ($self) = @_;

    my $jobs = $self->{jobs};
    my $job = $jobs->[rand @$jobs];

    $self->stop_one($job->pid) if $job->alive;
}


# One of the three is always there; a partition may change its leader.
sub change_broker {
    my ($self) = @_;

    my $kafka = $self->{goim}->kafka;
    my $down = $self->{down};
    my $broker = 1 + int(rand(3));

    if (delete $down->{$broker}) {
        $kafka->up($broker);

    } elsif (keys %$down < 2) {
        $kafka->down($broker);
        $down->{$broker} = 1;
    }

    $kafka->command('leader goim-push-topic ' . int(rand(4)) . ' '
                    . (1 + int(rand(3)))) if rand() < 0.5;
}


# Redis is killed, and is empty when it comes back, or stopped; with goim-logic
# and redis => 1.
sub hit_redis {
    my ($self) = @_;

    my $redis = $self->{goim}->redis;

    if (!$redis->alive) {
        $redis->start;

    } elsif (rand() < 0.5) {
        $redis->kill9;

    } else {
        $redis->freeze;
        push @{$self->{stopped}}, $redis->pid;
    }
}


# It comes back at once, or with the next one.
sub kill_logic {
    my ($self) = @_;

    my $logic = $self->{goim}->logic;

    $logic->kill9 if $logic->alive;
    $logic->start if rand() < 0.7;
}


# Some clients leave, in one way or another.
sub churn {
    my ($self) = @_;

    for my $client (grep { rand() < 0.2 } @{$self->{clients}}) {
        rand() < 0.5 ? $client->disconnect : $client->reset;
    }
}


# All that is down or stopped runs again, and all are there; options as
# reload()'s for one that ends it all.
sub calm {
    my ($self, %conf) = @_;

    my $goim = $self->{goim};

    kill('CONT', splice(@{$self->{stopped}}));
    $goim->kafka->up($_) for keys %{$self->{down}};
    $self->{down} = {};

    $_ && !$_->alive && $_->start for $goim->logic, $goim->redis;

    for my $job (@{$self->{jobs}}) {
        $job->start(ready => 0) if !$job->alive;
        $job->wait_ready;
    }

    $goim->reload(%conf) if %conf;

    $self->wait_for(60, 'the old workers to end', sub {
        return !$goim->nginx->old_worker_pids });
    $self->wait_for(60, 'the stream to reach all', sub {
        return !grep { !$_->count } @{$self->{clients}} });
    $self->wait_for(60, 'old generations to go', sub {
        return $goim->generations == 1 });

    return $self;
}


# With goim-logic: the members that have got a push to them all, by index.  Who
# was lost with Redis is told of again in a while.
sub found_by_mid {
    my ($self) = @_;

    my $goim = $self->{goim};
    my @clients = $self->clients;
    my $query = join('&', 'operation=1000', map { 'mids=' . ($_ + 1) }
                     0 .. $#clients);
    my ($tries, @found) = (0);

    $self->wait_for(60, undef, sub {
        my $body = 'to members ' . ++$tries;

        @clients = $self->clients;
        $goim->ask_logic("/goim/push/mids?$query", method => 'POST',
                         body => $body);

        wait_until(2, undef, sub {
            @found = grep {
                grep { ($_->{body} || '') eq $body } @{$clients[$_]{packets}}
            } 0 .. $#clients;
            return @found == @clients;
        });

        return @found == @clients;
    });

    return \@found;
}


# Ends the stream where it is; whether all clients have got all of it.
sub settle {
    my ($self) = @_;

    my $producer = $self->{goim}->producer;

    $producer->stop_streams;
    $self->{sent} += $producer->wait_stream($self->{stream}, 120);

    return $self->{goim}->all_reach($self->{sent}, 60, $self->clients);
}


# Ends it for good; what was wrong with all that any client got.
sub end {
    my ($self) = @_;

    my @clients = $self->clients;
    my @faults = $self->settle ? () : ('the end does not come');

    $self->judge($clients[$_], $_, $self->{sent}) for 0 .. $#clients;

    return [@faults, $self->faults];
}


# For the name of a check.
sub text {
    my ($self) = @_;

    my $did = $self->{did};

    return join(', ', (map { "$did->{$_} $_" } sort keys %$did),
                "seed $self->{seed}");
}


# How connections have ended: close codes, eof, reset.
sub ends { return sort keys %{$_[0]{ends}} }


# How many numbers all clients have got, and how many the stream has had.
sub numbers { return $_[0]{numbers} }
sub sent { return $_[0]{sent} }


1;
