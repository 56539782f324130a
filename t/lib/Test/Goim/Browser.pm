# A headless Chromium with any number of pages: opened, looked into, and asked
# what they have complained about.

package Test::Goim::Browser;

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;

use Test::Goim::Loop qw(wait_until);
use Test::Goim::Process;

my $script = abs_path(dirname(__FILE__) . '/../../../js/browser.mjs');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;


# dir => the test's folder
sub new {
    my ($class, %opt) = @_;

    my $self = bless { id => 0, dir => $opt{dir} }, $class;

    # without a home of its own it writes into the user's
    $self->{process} = Test::Goim::Process->new(
        name => 'browser', dir => $opt{dir}, pipe => 1,
        out => "$opt{dir}/browser.err",
        env => { HOME => $opt{dir}, XDG_CONFIG_HOME => "$opt{dir}/config",
                 XDG_CACHE_HOME => "$opt{dir}/cache" },
        argv => ['node', $script, "$opt{dir}/profile"]);
    $self->{process}->answer(qr/^ready /, 60);

    return $self;
}


sub ask {
    my ($self, @command) = @_;

    my $id = ++$self->{id};
    $self->{process}->say($json->encode([$id, @command]));

    my $line = $self->{process}->answer(qr/^result $id /, 30);
    my $result = $json->decode($line =~ /^result \d+ (.*)/);
    croak("$command[0]: $result->{error}") if exists $result->{error};

    return $result->{value};
}


# A page in a window of its own.
sub open {
    my ($self, $url, $width, $height) = @_;

    my $n = $self->ask('open', $url, $width || 1200, $height || 800);

    return bless { browser => $self, n => $n }, 'Test::Goim::Browser::Page';
}


# Its helpers, some with a session of their own, end a little later than it
# does.
sub stop {
    my ($self) = @_;

    my $ended = $self->{process}->stop('CONT', 20);

    wait_until(20, undef, sub {
        my %living = Test::Goim::Process->living($self->{dir});
        return !grep { /chrom/ } values %living;
    });

    return $ended;
}


package Test::Goim::Browser::Page;

use Test::Goim::Loop qw(wait_until);


# The value of a JavaScript expression, awaited if it is a promise.
sub value {
    my ($self, $expression) = @_;

    return $self->{browser}->ask('evaluate', $self->{n}, $expression);
}


# The first value of an expression that is true.
sub wait_for {
    my ($self, $expression, $seconds) = @_;

    return wait_until($seconds || 15, "$expression in a page",
                      sub { $self->value($expression) });
}


sub complaints {
    my ($self) = @_;

    return $self->{browser}->ask('complaints', $self->{n});
}


# The addresses of all that it asked for.
sub requests {
    my ($self) = @_;

    return $self->{browser}->ask('requests', $self->{n});
}


sub screenshot {
    my ($self, $path) = @_;

    $self->{browser}->ask('screenshot', $self->{n}, $path);
}


1;
