# What a client of the demo writes (operation 4) reaches all in its room, over
# WebSocket and over TCP, and the page that does it in browsers is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 12;

use Test::Goim::Demo;
use Test::Goim::Util qw(http_request slurp);

my $goim = Test::Goim->new(kafka => 0, auth => 0, nginx => 0, job => 0);
my $demo = Test::Goim::Demo->new($goim)->ready;

my $ws = $demo->connect_ws('live://1000');
my $other = $demo->connect_ws('live://1000');
my $tcp = $demo->connect_tcp('live://1000');
my $elsewhere = $demo->connect_ws('live://2000');

for my $case ([$ws, 'danmaku'], [$tcp, 'packets']) {
    my ($from, $text) = @$case;

    $from->send_packet(4, $text, seq => 7);
    my $reply = $from->reply(5);
    is("$reply->{seq} $reply->{body}", '7 {"code":0}', "\"$text\" is taken");

    for my $to (['itself', $from], ['another', $other],
                ['one of the other transport', $from == $ws ? $tcp : $ws]) {
        is($to->[1]->next_body, $text, "and reaches $to->[0]");
    }
}

# the only one that it gets
$elsewhere->send_packet(4, 'here');
is($elsewhere->next_body, 'here', 'another room gets nothing of that');

# the page, as the tree has it

for my $file (['/', 'clients/demo/index.html', 'text/html; charset=utf-8'],
              ['/js/goim.js', 'clients/js/goim.js',
               'application/javascript; charset=utf-8'],
              ['/demo.css', 'clients/demo/demo.css',
               'text/css']) {
    my ($path, $source, $type) = @$file;

    my $answer = http_request($demo->ws_port, $path);
    my $text = slurp($demo->top . "/$source");

    ok(length $text && $answer->{status} == 200 && $answer->{body} eq $text
       && $answer->{headers}{'content-type'} eq $type,
       "$path is $source") or diag($answer->{raw});
}
