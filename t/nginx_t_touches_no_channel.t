# nginx -t looks at the channel's path and changes nothing: not beside a
# running nginx, and not where none has run yet.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim tests => 10;

my $goim = Test::Goim->new(workers => 1, kafka => 0);
my $folder = $goim->channel_path;
$folder =~ s{/[^/]+$}{};


# Everything about the channel's folder that a change would show.
sub snapshot {
    return join("\n", map {
        my @stat = stat($_);
        join(' ', $_, @stat[1, 2, 3, 4, 5, 7, 9, 10]);
    } $folder, sort glob("$folder/* $folder/.[!.]*"));
}


my $empty = snapshot();
my ($exit, $text) = $goim->nginx_t;

is($exit, 0, 'a configuration is fine before the first start');
is(snapshot(), $empty, 'and nothing was made');

$goim->start;

my $made = snapshot();
isnt($made, $empty, 'nginx itself makes the channel');

($exit, $text) = $goim->nginx_t;
is($exit, 0, 'nginx -t beside the running nginx');
($exit, $text) = $goim->nginx_t(channel => 'size=4m lanes=4 stall=9s');
is($exit, 0, 'and with another size and number of lanes');
is(snapshot(), $made, 'touches nothing');
is(scalar @{$goim->status->{lanes}}, 1, 'the channel is still the one it was');

($exit, $text) = $goim->nginx_t(
    goim_http => "goim_channel $folder/new/channel;");
is("$exit " . (-e "$folder/new" ? 'made' : 'not made'), '0 not made',
   'a folder that the start would make is not made');

($exit, $text) = $goim->nginx_t(
    goim_http => "goim_channel $folder/no/such/channel;");
isnt($exit, 0, 'one that the start could not make is refused');
like($text, qr{\[emerg\] .*goim channel: "\S+/no" must be a folder},
     'in words that name what is missing');
