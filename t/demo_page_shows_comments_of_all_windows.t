# The demo page: what is written in one window flies across the others of its
# room, whatever it is; rooms, online counts and lost connections show.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;
use Test::Goim tests => 36;

my $goim = Test::Goim->new(
    workers => 2, logic => 1, http => <<'HTTP', server => <<'SERVER');
goim_handover off; goim_drain 100ms;
    client_header_timeout 2s;
    types { text/html html; text/javascript js; text/css css; }
HTTP
root %%DIR%%/site;
SERVER

$goim->make_site;
$goim->start;

my $browser = $goim->browser;
my $url = 'http://127.0.0.1:' . $goim->port . '/';
my ($wide, $phone, $other) = map { $browser->open($url, @$_) }
    [1240, 860], [360, 740], [800, 600];
my $json = JSON::PP->new->ascii->allow_nonref;

$_->wait_for(text('state') . ' === "connected"') for $wide, $phone, $other;
choose($other, 'live://2000');

# two windows

ok($_->wait_for(text('online') . ' === "2"', 30), 'two are in the room')
    for $wide, $phone;
ok($other->wait_for(text('online') . ' === "1"', 30), 'one in the other');

say_in($wide, 'Anna', "\x{524d}\x{65b9}\x{9ad8}\x{80fd} hello");
is(shown($_), "Anna|\x{524d}\x{65b9}\x{9ad8}\x{80fd} hello",
   'a comment is read in each') for $wide, $phone;
ok($_->wait_for('demo.danmaku.flying.length === 1'), 'it flies')
    for $wide, $phone;
my $at = $phone->value('demo.danmaku.flying[0].at');
ok($phone->wait_for("demo.danmaku.flying[0]?.at < $at - 0.01"),
   'from right to left');
ok($phone->wait_for('!demo.danmaku.flying.length', 20), 'and out of sight');
like($wide->value(text('latency')), qr/^last comment took [\d.]+ ms$/,
     'its writer is told how long it took');
is($phone->value(text('latency')), '', 'others are not');
is($wide->value('document.querySelector("#text").value'), '',
   'and may write the next one');

my $marks = '<img src=x onerror="document.title = 1"><b>bold</b>';
say_in($phone, '<i>Ben</i>', $marks);
is(shown($wide), "<i>Ben</i>|$marks", 'marks are text like any other');
is($wide->value('document.querySelectorAll("img, #log i, #log b b").length'),
   0, 'and nothing else');

my %color = map { $_ => $wide->value(
    qq{[...document.querySelectorAll("#log b")].find(
           (who) => who.textContent === "$_").style.color}) }
    'Anna', '<i>Ben</i>';
isnt($color{Anna}, $color{'<i>Ben</i>'}, 'each has a colour');

# what no page would write

for my $case (
    ['no JSON', '|no JSON'],
    ['{"text":7,"name":[]}', '|{"text":7,"name":[]}'],
    ['null', '|null'],
    ['{"text":"t","name":{},"color":"red;x"}', '|t'],
    [qq({"text":"a\\u0000\\u202eb\\n","name":"n"}), 'n|a b '],
    [encode_json({ text => 'x' x 3000, name => 'y' x 3000 }),
     'y' x 20 . '|' . 'x' x 100])
{
    my ($body, $expected) = @$case;

    $goim->push_room('live://1000', 1000, $body);
    is(shown($wide), $expected, 'shown: ' . substr($body, 0, 40));
}

# rooms

say_in($other, 'Cleo', 'over here');
is(shown($other), 'Cleo|over here',
   'another room has got nothing of all that');
choose($phone, 'live://2000');
ok($phone->wait_for(text('online') . ' === "2"', 30),
   'a window that changes to it counts there');
say_in($phone, 'Ben', 'me, too');
is(shown($_), 'Ben|me, too', 'and takes part') for $phone, $other;

# how it looks

is($_->value('document.documentElement.scrollWidth - innerWidth'), 0,
   'no window is too narrow') for $wide, $phone;
my $pixels = <<'JS';
(() => {
    const canvas = new OffscreenCanvas(64, 36);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(document.querySelector('#screen'), 0, 0, 64, 36);
    return String(context.getImageData(0, 0, 64, 36).data);
})()
JS
my $before = $wide->value($pixels);
my %colors = map { $_ => 1 } $before =~ /(\d+,\d+,\d+),255/g;
cmp_ok(scalar keys %colors, '>', 3, 'there is something on the screen');
ok(wait_until(15, undef, sub { $wide->value($pixels) ne $before }),
   'which moves');

# a crowd: all that flies at each moment, on a canvas that writes nothing

is($wide->value(<<'JS'), '0 overlap, 1 lost', 'none overtakes another, '
(async () => {
    const { Danmaku } = await import('./danmaku.js');
    const quiet = () => {};
    const context = {
        measureText: (text) => ({ width: text.length * 12 }),
        strokeText: quiet, fillText: quiet,
    };
    const crowd = new Danmaku();
    const seen = new Set();
    let overlaps = 0;

    crowd.resize(800, 450);
    for (let i = 0; i <= 100; i++) {
        crowd.add({ text: `${i} ${'x'.repeat(i * 7 % 50)}` });
    }
    for (let i = 0; i < 6000; i++) {
        crowd.draw(context, 0.05);
        const flying = crowd.flying;

        flying.forEach(({ text }) => seen.add(text));
        for (const [n, one] of flying.entries()) {
            const end = one.at * 800 + one.text.length * 12;

            overlaps += flying.slice(n + 1).some(
                (other) => other.lane === one.lane && other.at * 800 < end);
        }
    }
    return `${overlaps} overlap, ${101 - seen.size} lost`;
})()
JS
   . 'the oldest of too many that wait gives way');

# when things go wrong

$goim->logic->stop;
say_in($wide, 'Anna', 'lost');
like($wide->wait_for(text('note')), qr/^not sent: \w/,
     'a comment that was not taken is told');
is($wide->value('document.querySelector("#text").value'), 'lost',
   'and may be sent again');
$goim->logic->start;

$wide->value('demo.client.on("close", (event) => { window.left = event; })');
$goim->reload;
$wide->wait_for('window.left');
ok($wide->wait_for(text('state') . ' === "connected"', 30),
   'a lost connection comes back');

# a browser connects for requests that it may never send
ok(wait_until(30, undef, sub { !$goim->nginx->old_worker_pids }),
   'old workers end');
is_deeply([map { @{$_->complaints} } $wide, $phone, $other], [],
          'nothing goes wrong in the pages');
is_deeply([grep { !m{^(http|ws)://127\.0\.0\.1:} && !/^data:,/ }
               map { @{$_->requests} } $wide, $phone, $other], [],
          'nothing is asked for elsewhere');


# The text of an element, as an expression.
sub text {
    my ($id) = @_;

    return qq{document.querySelector("#$id")?.textContent};
}


sub choose {
    my ($page, $room) = @_;

    $page->value(qq{document.querySelector('[value="$room"]').click()});
}


sub say_in {
    my ($page, $name, $text) = @_;

    ($name, $text) = map { $json->encode($_) } $name, $text;
    $page->value(<<"JS");
document.querySelector('#name').value = $name;
document.querySelector('#text').value = $text;
document.querySelector('#composer').requestSubmit();
JS
}


# The next comment in a page's list: who and what.
sub shown {
    my ($page) = @_;

    my $n = $page->{seen}++;

    return $page->wait_for(<<"JS");
(() => {
    window.seen ??= new Set();
    const line = [...document.querySelectorAll('#log li')].find(
        (one) => !seen.has(one));
    if (!line) {
        return '';
    }
    seen.add(line);
    const who = line.querySelector('b')?.textContent ?? '';
    return who + '|' + line.textContent.slice(who.length);
})()
JS
}
