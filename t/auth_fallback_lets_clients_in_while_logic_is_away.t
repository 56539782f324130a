# While nobody answers who a client is, goim_auth_fallback says it, for new
# clients; who is refused stays so, and what is malformed is no absence.  Logic
# that comes back knows of all who came meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 25;

my $http = <<'CONF';
map $goim_token $token_room {
    '~"room_id"\s*:\s*"(?<room>[^"]+)"' $room;
}
map $goim_token $token_mid {
    '~"mid"\s*:\s*(?<number>\d+)' $number;
}
CONF

# without a logic: what is an absence, and what is none

my $service = Test::Goim->new(workers => 1, http => $http,
                              locations => <<'CONF')->start;
goim_auth /auth;
goim_auth_fallback room=$token_room accepts=1000 features=gap;
location = /sub { goim; }
location = /off { goim; goim_auth_fallback off; }
location = /dead { goim; goim_auth /nobody; goim_auth_fallback key=$arg_key; }
location = /slow { goim; goim_auth /hasty; }
location = /bad { goim; goim_auth_fallback mid=x; }
location = /auth {
    internal;
    proxy_pass http://127.0.0.1:%%AUTH%%;
}
location = /hasty {
    internal;
    proxy_read_timeout 100ms;
    proxy_pass http://127.0.0.1:%%AUTH%%/auth;
}
location = /nobody {
    internal;
    proxy_pass http://127.0.0.1:9;
}
location = /goim/status { goim_status; }
CONF

sub token {
    my ($test) = @_;

    return { room_id => 'live://1', key => 'claimed', test => $test };
}

my $let_in = $service->connect_ws(token => token({ status => 500 }));
ok($let_in->auth, 'a client is let in when the answer is 500');
ok($service->connect_ws(path => '/slow', token => token({ delay => 600 }))
   ->auth, 'when it comes too late');
my $keyed = $service->connect_ws(path => '/dead?key=other', token => token());
ok($keyed->auth, 'when nobody is there');

$service->push_room('live://1', 1000, 'room');
is($let_in->next_body, 'room', 'in the room that the directive says');
$service->push_keys(['claimed'], 1000, 'not its key');
$service->push_all(1000, 'all');
is($let_in->next_body, 'all', 'with its operations, and no key of its own');
is($service->status('/goim/status?key=other')->{key}, 'other',
   'or with the key that the directive says');

is($service->connect_ws(token => '')->expect_close, 1008,
   'an empty token is refused by who answers');
is($service->connect_ws(token => token({ status => 403 }))->expect_close, 1008,
   'who is refused stays out');
is($service->connect_ws(token => token({ status => 404 }))->expect_close, 1013,
   'another answer is "try later"');
is($service->connect_ws(token => token({
       headers => { 'X-Goim-Mid' => 'x' } }))->expect_close, 1013,
   'and so is a malformed one');
is($service->connect_ws(path => '/off', token => token({ status => 500 }))
   ->expect_close, 1013, 'and all of it without the directive');
is($service->connect_ws(path => '/bad', token => token({ status => 500 }))
   ->expect_close, 1013, 'or with values that can\'t be read');
ok($service->connect_ws(token => token())->auth, 'an answer is an answer');

my $total = $service->status->{total};
is($total->{auth_fallback}, 3, 'who was let in so is counted');
is($total->{auth_accepted}, 1, 'and not among those who were accepted');
is($total->{auth_failed}, 4, 'nor among those told to try later');

for my $case (['goim_auth_fallback name=x;', qr/auth_fallback|mid=, key=/],
              ['goim_auth_fallback off; goim_auth_fallback mid=1;',
               qr/"goim_auth_fallback" directive is duplicate/])
{
    my ($exit, $text) = $service->nginx_t(http => $case->[0]);
    ok($exit && $text =~ $case->[1], "refused: $case->[0]") or diag($text);
}

# with goim-logic, killed and back

my $goim = Test::Goim->new(workers => 2, logic => 1, http => $http, location =>
    'goim_auth_fallback mid=$token_mid key=k-$connection accepts=1000
                        room=$token_room;')->start;
my %token = (mid => 7, room_id => 'live://1', accepts => [1000]);

my $before = $goim->connect_ws->auth(\%token);
$goim->logic->kill9;
my @meanwhile = map { $goim->connect_ws->auth({ %token, mid => $_ }) } 8, 9;

$goim->push_room('live://1', 1000, 'while it is away');
is(join('|', map { $_->next_body } $before, @meanwhile),
   join('|', ('while it is away') x 3), 'all are in the room');

$goim->logic->start;
my $answer;
ok(wait_until(30, undef, sub {
    $answer = $goim->ask_logic('/goim/online/total');
    return $answer && $answer->{body} =~ /"conn_count":3\b/;
}), 'logic counts all of them when it is back')
    or diag($answer && $answer->{body});

for my $mid (7, 8, 9) {
    $goim->ask_logic("/goim/push/mids?operation=1000&mids=$mid",
                     method => 'POST', body => "for $mid");
}
is(join('|', map { $_->next_body } $before, @meanwhile),
   'for 7|for 8|for 9', 'and finds each by its mid');

my @pair = map { $goim->connect_ws->auth({ %token, mid => 10 }) } 1, 2;
ok($pair[1]->is_open, 'new ones are known to it from the start');
is($goim->status->{total}{auth_fallback}, 2, 'and no more let in without it');
is($goim->status->{total}{closed_replacement}, 0, 'nobody was replaced');
is($goim->status->{total}{closed_kick}, 0, 'nor kicked');
