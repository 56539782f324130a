# While logic is away a worker keeps what has happened, up to a bound; beyond
# it, it forgets, and tells of all that are there when logic is back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 6;

my $goim = Test::Goim->new(
    workers => 1, kafka => 0, http => 'goim_session /session interval=100ms;',
    server => <<'SERVER', location => 'goim_identity key=$arg_key;')->start;
location = /session { internal; proxy_pass http://127.0.0.1:%%AUTH%%; }
SERVER

my $auth = $goim->auth;
$auth->session(status => 503);

my @stay = map { $goim->connect_ws(path => "/sub?key=stays$_") } 1 .. 3;
$_->response for @stay;

# a line of some 800 bytes for each that leaves: quotes are encoded

my $long = '%' x 240;

for (1 .. 15) {
    my @clients = map { $goim->connect_ws(path => "/sub?key=$long$_") }
        1 .. 100;
    $_->response for @clients;
    $_->disconnect for @clients;
}

ok(wait_until(60, undef, sub { $goim->status->{total}{connections} == 3 }),
   'many come and go');
my $total = $goim->status->{total};
cmp_ok($total->{session_resyncs}, '>', 0, 'not all of it is kept');
cmp_ok($total->{session_resyncs}, '<', 10, 'but much of it');

my $from = () = $auth->bodies('/session');
$auth->session(answer => '');

my @reports;
ok(wait_until(60, undef, sub {
       @reports = $auth->bodies('/session');
       @reports = grep { /^session 1 \S+ \d+ \d+ complete 3\n/ }
           @reports[$from .. $#reports];
       return @reports;
   }), 'when logic is back it is told of all there are');

my @all = $auth->bodies('/session');
my %told = map { $_ => 1 }
    map { /^connect \S+ (\S+) /mg } @all[$from .. $#all];
is(join(' ', sort grep { /^stays/ } keys %told), 'stays1 stays2 stays3',
   'of each by its key');

my ($old) = $all[0] =~ /^session 1 \S+ \d+ (\d+)/;
my ($new) = $reports[0] =~ /^session 1 \S+ \d+ (\d+)/;
cmp_ok($new, '>', $old, 'in a new epoch');
