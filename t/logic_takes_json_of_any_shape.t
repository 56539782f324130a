# JSON from clients and backends that is nested deeply, long, or not what it
# should be gets an answer, and goim-logic goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 33;

my $goim = Test::Goim->new(nginx => 0, job => 0, logic => {
    http => { max_body => '2m' } })->start;


sub pushs {
    my $answer = $goim->ask_logic('/1/pushs', method => 'POST',
                                  body => $_[0]) || {};

    return $answer->{body} || 'no answer';
}


sub auth {
    my $answer = $goim->ask_logic('/goim/auth', method => 'POST',
        body => $_[0], headers => { 'X-Goim-Server' => 'comet-1' }) || {};

    return $answer->{status} || 'no answer';
}


sub nested { return ('[' x $_[0]) . (']' x $_[0]) }


my $failed = '{"ret":65535}';
my $good = '{"ret":1}';

# as deep as fits into a body
is(pushs('{"m":1,"u":' . nested(490_000) . '}'), $failed,
   'u of 490000 levels');
is(pushs('{"u":[1],"m":' . nested(490_000) . '}'), $failed,
   'm of 490000 levels');
is(pushs('{"u":[1],"m":1,"x":' . nested(490_000) . '}'), $failed,
   'another member of 490000 levels');
is(pushs('[' x 900_000), $failed, 'nothing but levels');
is(pushs('{"u":[1],"m":' . nested(999) . '}'), $good, 'm of 999 levels');
is(pushs('{"u":[1],"m":' . nested(1000) . '}'), $failed, 'm of 1000 levels');

is(auth('{"x":' . nested(31) . '}'), 200, 'a token of 32 levels');
is(auth('{"x":' . nested(32) . '}'), 401, 'a token of 33 levels');
is(auth('{"x":' . nested(30_000) . '}'), 401, 'a token of 30000 levels');
is(auth('{"x":"' . ('x' x 65_000) . '"}'), 200, 'a token that is long');
is(auth('{"x":"' . ('x' x 65_536) . '"}'), 401, 'a token that is too long');

# what m and u may be
is(pushs($_), $good, "taken: $_") for
    '{"m":null,"u":[]}', '{"m":1,"u":[7,-7]}', '{"U":[1],"M":"x"}',
    '{"m":true,"x":{"m":[{"u":1}]},"u":[9223372036854775807]}',
    '{"m":{"u":[]},"u":[1]}';

is(pushs($_), $failed, "refused: $_") for
    '', '[]', '1', '{}', '{"m":1}', '{"u":[1]}', '{"m":1,"u":1}',
    '{"m":1,"u":null}', '{"m":1,"u":["1"]}', '{"m":1,"u":[1.0]}',
    '{"m":1,"u":[9223372036854775808]}', '{"m":1,"u":[[1]]}',
    '{"m":1,"u":[1]', '{"m":1,"u":[1]}}', '{"m":1,"u":{"u":[1]}}';

is($goim->ask_logic('/1/pushs', method => 'POST',
                    body => '{"u":[' . join(',', 1 .. 200_000) . '],"m":1}')
   ->{body}, $good, '200000 members');

ok($goim->logic->alive, 'goim-logic is there still');
