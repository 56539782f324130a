# Whom goim-logic believes: with "mode = anonymous", which is the default,
# nobody's mid and key; with jwt, those in a token that is signed with the right
# key by the right algorithm and is valid now; with open, everybody's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(hmac_sha256 hmac_sha512);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Test::Goim tests => 42;

use Test::Goim::Util qw(spew slurp);

my $goim = Test::Goim->new(nginx => 0, job => 0, logic => {
    auth => { mode => undef, heartbeat => '30s', heartbeat_max => 3 },
})->start;
my $json = JSON::PP->new->canonical;
my $secret = 'a secret of thirty-two bytes, or more';
my $uuid = qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;


sub ask {
    my ($token) = @_;

    return $goim->ask_logic('/goim/auth', method => 'POST',
                            body => ref $token ? $json->encode($token)
                                               : $token,
                            headers => { 'X-Goim-Server' => 'comet-1' });
}


sub mode {
    my (%auth) = @_;

    $goim->logic->write_conf({ auth => \%auth });
    my $before = length $goim->logic->log_text;
    $goim->logic->signal('HUP');
    wait_until(10, 'new settings', sub {
        substr($goim->logic->log_text, $before) =~ /settings read again/;
    });
}


sub jwt {
    my ($claims, $alg, $sign) = @_;

    my $text = encode_base64url($json->encode({ alg => $alg, typ => 'JWT' }))
        . '.' . encode_base64url($json->encode($claims));

    return $text . '.' . encode_base64url($sign->($text));
}


sub hs256 {
    my ($claims, $key) = @_;

    return jwt($claims, 'HS256',
               sub { hmac_sha256($_[0], defined $key ? $key : $secret) });
}


# What is wrong with an answer that should refuse with these words.
sub refuses {
    my ($token, $words) = @_;

    my $answer = ask($token);
    my $in = $json->decode($answer->{body});

    ok($answer->{status} == 401 && $in->{code} == -401
       && $in->{message} =~ /^the token is refused: .*$words/,
       "refused: $words") or diag($answer->{raw});
}


my %token = (mid => 5, key => 'mine', room_id => 'live://1',
             accepts => [1000, -2], platform => 'web');

# anonymous

my $h = ask(\%token)->{headers};
is($h->{'x-goim-mid'}, 0, 'anonymous: nobody\'s mid is believed');
like($h->{'x-goim-key'}, $uuid, 'nor a key: it is a random UUID');
is($h->{'x-goim-room'}, 'live://1', 'the room is as asked');
is($h->{'x-goim-accepts'}, '1000,-2', 'and what is accepted');
is($h->{'x-goim-heartbeat'}, 90, 'silence allowed: heartbeat x heartbeat_max');
like($h->{'x-goim-conn'}, qr/^[0-9a-f]{32}$/, 'an id of the connection');
isnt(ask(\%token)->{headers}{'x-goim-key'}, $h->{'x-goim-key'},
     'each time another key');

# open

mode(mode => 'open');
$h = ask(\%token)->{headers};
is("$h->{'x-goim-mid'} $h->{'x-goim-key'}", '5 mine', 'open: all is believed');
$h = ask('{"MID":7,"Key":null,"room_id":"","x":{"y":[1]}}')->{headers};
is($h->{'x-goim-mid'}, 7, 'names in any case');
like($h->{'x-goim-key'}, $uuid, 'a missing key gets a UUID');
ok(!exists $h->{'x-goim-room'}, 'no room');
ok(!exists $h->{'x-goim-accepts'}, 'nothing accepted');
is(ask('{}')->{status}, 200, 'all may be missing');
refuses($_->[0], $_->[1]) for
    ['', 'no JSON object'], ['hello', 'no JSON object'],
    ['[1]', 'no JSON object'], ['{"mid":1', 'no JSON object'],
    ['{"mid":1} x', 'no JSON object'],
    ['{"mid":"1"}', '"mid" is no number'], ['{"mid":1.5}', '"mid"'],
    ['{"mid":9223372036854775808}', '"mid"'], ['{"key":1}', '"key"'],
    ['{"key":"a\u000ab"}', '"key" is longer .* control'],
    ['{"key":"' . 'x' x 256 . '"}', '"key" is longer'],
    ['{"room_id":["a"]}', '"room_id"'], ['{"accepts":"1000"}', '"accepts"'],
    ['{"accepts":[1,"2"]}', '"accepts"'], ['{"accepts":[2147483648]}',
    '"accepts"'], ['x' x 70000, 'longer than 64 KB'];

is($goim->ask_logic('/goim/auth', method => 'POST', body => '{}')->{status},
   400, 'who does not say which comet asks: 400, which is "try later"');

# jwt

spew($goim->dir . '/secret', "$secret\n");
mode(mode => 'jwt', jwt_key => $goim->dir . '/secret');

my %claims = (mid => 5, key => 'mine', exp => time + 600, nbf => time - 10);
$h = ask({ token => hs256(\%claims), mid => 6, key => 'yours',
           room_id => 'live://1', accepts => [1000] })->{headers};
is("$h->{'x-goim-mid'} $h->{'x-goim-key'}", '5 mine', 'jwt: what is signed');
is("$h->{'x-goim-room'} $h->{'x-goim-accepts'}", 'live://1 1000',
   'what is not signed the client may say');
$h = ask(hs256({ %claims, room_id => 'live://2' }))->{headers};
is("$h->{'x-goim-mid'} $h->{'x-goim-room'}", '5 live://2', 'a bare one');
like(ask({ token => hs256({ exp => time + 60 }), mid => 6, key => 'k' })
         ->{headers}{'x-goim-key'}, $uuid, 'nobody in particular');

refuses(\%token, 'no signed "token"');
refuses(hs256(\%claims, 'another secret of thirty-two bytes.'), 'signature');
refuses(hs256({ %claims, exp => time - 1 }), 'expired');
refuses(hs256({ %claims, nbf => time + 600 }), 'not valid yet');
refuses(jwt(\%claims, 'none', sub { '' }), 'signature');
refuses(jwt(\%claims, 'HS512', sub { hmac_sha512($_[0], $secret) }),
        'another algorithm');

# a public key is no secret

my $dir = $goim->dir;
system("openssl genrsa -out $dir/private.pem 2048 2>/dev/null && openssl rsa"
       . " -in $dir/private.pem -pubout -out $dir/public.pem 2>/dev/null") == 0
    or die 'no key is made';
mode(mode => 'jwt', jwt_key => "$dir/public.pem", jwt_alg => 'RS256');

my $signed = jwt(\%claims, 'RS256', sub {
    spew("$dir/text", $_[0]);
    return scalar `openssl dgst -sha256 -sign $dir/private.pem $dir/text`;
});
is(ask($signed)->{headers}{'x-goim-mid'}, 5, 'signed with a private key');

my $public = slurp("$dir/public.pem");
$public =~ s/\s+\z//;
refuses(hs256(\%claims, $public), 'another algorithm');
