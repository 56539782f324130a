# A text message that has come in part goes on behind a hand-over as text, in
# the middle of a frame, of a fragment, or of a character; and what can't be
# UTF-8 any more fails there at once, as it does without.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 12;

use Test::Goim::FrameClient qw(echo_host text binary closed);
use Test::Goim::Packet qw(frame WS_TEXT WS_BINARY);

my $goim = echo_host();
my $nginx = $goim->nginx;

my $frame = frame(WS_TEXT, "12\xe7\x9b\xb4\xe6\x92\xad");
my $header = frame(WS_TEXT, "a\xe7\x9b\xb4");

# what comes before, between and behind two hand-overs, and what is answered
my @cases = (
    ['within a character of a frame',
     [substr($frame, 0, 9), substr($frame, 9, 1), substr($frame, 10)],
     text("12\xe7\x9b\xb4\xe6\x92\xad"), closed(1000)],
    ['within the header of a frame',
     [substr($header, 0, 1), substr($header, 1, 3), substr($header, 4)],
     text("a\xe7\x9b\xb4"), closed(1000)],
    ['within a character of a message',
     [frame(WS_TEXT, "a\xf0\x9f", fin => 0), frame(0, "\x90", fin => 0),
      frame(0, "\x98b")], text("a\xf0\x9f\x90\x98b"), closed(1000)],
    ['within both',
     [frame(WS_TEXT, "a\xe2", fin => 0)
      . substr(frame(0, "\x82\xac", mask => "abcd"), 0, 7),
      substr(frame(0, "\x82\xac", mask => "abcd"), 7), ''],
     text("a\xe2\x82\xac"), closed(1000)],
    ['between characters',
     [frame(WS_TEXT, 'one ', fin => 0), frame(0, 'two ', fin => 0),
      frame(0, 'three')], text('one two three'), closed(1000)],
    ['bytes stay bytes',
     [frame(WS_BINARY, "\xff", fin => 0), frame(0, "\xe2", fin => 0),
      frame(0, "\x80")], binary("\xff\xe2\x80"), closed(1000)],
    ['a character with another one within',
     [frame(WS_TEXT, "\xe2", fin => 0), '', frame(0, "\xe2")],
     closed(1007)],
    ['a character without its end',
     [frame(WS_TEXT, "\xf0\x9f", fin => 0), frame(0, "\x90", fin => 0),
      frame(0, '')], closed(1007)],
    ['a continuation behind a whole character',
     [frame(WS_TEXT, "\xc3\xa4", fin => 0), frame(0, 'a', fin => 0),
      frame(0, "\x80")], closed(1007)],
    ['what fails in a frame without an end',
     [substr(frame(WS_TEXT, "\xe2xxxxxxxx", mask => "\0\0\0\0"), 0, 7), '',
      'x'], closed(1007)],
);


# Bytes that have arrived when it returns.
sub send_some {
    my ($client, $bytes) = @_;

    $client->send_alone($bytes, $client->{beside}) if length $bytes;
}


sub reload {
    $goim->reload;
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });
}

my $beside = Test::Goim::FrameClient::open_on($goim);
my @clients = map { Test::Goim::FrameClient::open_on($goim) } @cases;

$_->{close_sent} = 1, $_->{beside} = $beside for @clients;

for my $part (0 .. 2) {
    reload() if $part;
    send_some($clients[$_], $cases[$_][1][$part]) for 0 .. $#cases;
}

# those that fail need no more than that

for my $i (0 .. $#cases) {
    my ($name, undef, @answer) = @{$cases[$i]};

    $clients[$i]->close_politely if $answer[-1] ne closed(1007);
    is($clients[$i]->transcript, join(' ', @answer, 'eof'), $name);
}

is($goim->counted('moved_in'), 22, 'all of them were handed over, twice');
ok($beside->is_open, 'others go on');
