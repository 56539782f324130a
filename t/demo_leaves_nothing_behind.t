# However "make demo" is asked to end, it ends all of its processes, frees its
# ports and removes its files: Ctrl-C, which reaches make as well, SIGTERM to
# make or to the demo itself, and a terminal that is closed.  Even if the demo
# is killed, its daemons end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);

use Test::More;
use Test::Goim tests => 25;

use Test::Goim::Demo;
use Test::Goim::Util qw(http_request);

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);


sub make_demo {
    return Test::Goim::Demo->new($goim, argv => [
        '/usr/bin/make', '-C', Test::Goim::Demo->top, 'demo'])->ready;
}


# Those of the pids that still do anything.
sub living {
    my %state = map { $_->[0] => $_->[3] } Test::Goim::Process::table();

    return grep { ($state{$_} || 'Z') !~ /[ZX]/ } @_;
}


# What a way to end leaves of a demo; files => 0: they do not count.
sub nothing_is_left {
    my ($demo, $what, $end, %opt) = @_;

    my $client = $demo->connect_ws('live://1000');
    my @pids = keys %{$demo->descendants};
    my @folders = $demo->folders;

    is(scalar @folders, 2, "$what: there were folders");
    cmp_ok(scalar @pids, '>', 5, 'and processes');

    $end->($demo);

    ok(wait_until(20, undef, sub {
        return !living(@pids) && !$demo->process->alive;
    }), 'all of them end') or diag(join("\n", map { "$_ "
        . Test::Goim::Process::command_line($_) } living(@pids)));

    is(http_request($demo->ws_port, '/'), undef, 'nobody listens any more');
    is(join(' ', grep { -e } @folders), '', 'the folders are gone')
        if !exists $opt{files};
}


nothing_is_left(make_demo(), 'Ctrl-C', sub {
    # as the terminal does it: to the group in the foreground
    kill('INT', -$_[0]->process->pid);
});

my $demo = make_demo();
nothing_is_left($demo, 'SIGTERM to make', sub { $_[0]->process->kill('TERM') });

$demo = make_demo();
nothing_is_left($demo, 'SIGTERM to the demo', sub {
    kill('TERM', $_[0]->supervisor);
});
is($demo->process->status, 0, 'make is content');

nothing_is_left(make_demo(), 'a closed terminal', sub {
    kill('HUP', -$_[0]->process->pid);
});

$demo = Test::Goim::Demo->new($goim)->ready;
my @folders = $demo->folders;
nothing_is_left($demo, 'SIGKILL to the demo',
                sub { $_[0]->process->kill('KILL') }, files => 0);
remove_tree(@folders);
