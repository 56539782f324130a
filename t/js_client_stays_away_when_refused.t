# A JavaScript client that is refused comes back only with another token;
# one that is told to try later does so with the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 20;

my $goim = Test::Goim->new(workers => 1)->start;

my %good = (key => 'good', room_id => 'live://1');
my %bad = (key => 'bad', test => { status => 403 });
my %later = (key => 'later', test => { status => 500 });

# a token that does not change

my $client = client(token => \%bad);
my $close = $client->event('close');
is_deeply([@$close{qw(code willReconnect delay)}],
          [1008, JSON::PP::false, 0], 'a refusal is the end');
is($client->ask('state')->{value}, 'closed', 'it does not come back');
ok($client->ends_by_itself, 'and waits for nothing');

$client = client(token => \%later);
$close = $client->event('close');
is_deeply([@$close{qw(code willReconnect)}], [1013, JSON::PP::true],
          'who is told to try later does');
is($client->event('close')->{code}, 1013, 'again and again');

# tokens of a function

$client = client(tokens => [\%bad, \%good]);
$close = $client->event('close');
is_deeply([@$close{qw(code willReconnect)}], [1008, JSON::PP::true],
          'a refusal with another token is not the end');
$client->event('open');
is_deeply($client->event('token'),
          { attempt => 0, refused => JSON::PP::false, reason => '' },
          'the function was asked for the first');
is_deeply($client->event('token'),
          { attempt => 0, refused => JSON::PP::true, reason => '' },
          'and told of the refusal when asked for the other');
is($client->waiting('token'), 0, 'which is asked for once');

$goim->kick(['good'], reason => 'enough');
$close = $client->event('close');
is_deeply([@$close{qw(code reason willReconnect)}],
          [1008, 'enough', JSON::PP::false],
          'who is kicked does not come back with the same token');
is($client->event('token')->{reason}, 'enough', 'its function knew why');

for my $case ([undef, 'none at all'], [\%bad, 'the same'],
              [{ hang => 1 }, 'none in time'], [{ throw => 'oh' }, 'an error'])
{
    my ($second, $name) = @$case;

    $client = client(tokens => [\%bad, $second], connectTimeout => 2000);
    is($client->event('close', 30)->{willReconnect}, JSON::PP::false,
       "$name: it stays away");
    $client->stop;
}

# without a first one

$client = client(tokens => [undef]);
$close = $client->event('close');
is_deeply([@$close{qw(code willReconnect)}], [4004, JSON::PP::false],
          'no token, no connection');

$client = client(tokens => [{ throw => 'oh' }, \%good]);
is($client->event('error')->{message}, 'oh', 'a function that fails is told');
is($client->event('close')->{code}, 4003, 'and asked again later');
is($client->event('open'), undef, 'until it has one');

$client = client(tokens => [{ hang => 1 }, \%good], connectTimeout => 500);
is($client->event('close')->{code}, 4002, 'one that says nothing as well');
$client->event('open');


sub client {
    my $new = $goim->js_client(minDelay => 10, maxDelay => 100, @_);

    $new->ask('connect');

    return $new;
}
