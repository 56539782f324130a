# Every directive has an entry in docs/directives.md, every counter of the
# status page a meaning in the docs, every setting of goim-job a line.

use strict;
use warnings;

use FindBin;

use Test::More tests => 4;

my $top = "$FindBin::Bin/..";

sub slurp {
    my ($name) = @_;

    open(my $file, '<', "$top/$name") or die "$name: $!";
    local $/;

    return <$file>;
}


# What is not in the text, as `name`.
sub missing {
    my ($text, @names) = @_;

    return grep { $text !~ /`\Q$_\E`/ } @names;
}

my $module = slurp('ngx_goim_module/ngx_http_goim_module.c');
my @directives = $module =~ /\{ ngx_string\("(goim\w*)"\),/g;
my $entries = slurp('docs/directives.md');

cmp_ok(scalar @directives, '>', 10, 'directives are found');
is(join(' ', grep { $entries !~ /^##\ \Q$_\E\n\n(?:\|.*\n){2}
                                  \|\ \*\*Syntax\*\*/mx } @directives),
   '', 'each has an entry');

my ($counters) = slurp('ngx_goim_module/ngx_goim_status.c')
    =~ /ngx_goim_counter_names\[\w+\] = \{(.*?)\}/s;
is(join(' ', missing(slurp('docs/operations.md'), $counters =~ /"(\w+)"/g)),
   '', 'each counter of a worker is explained');

($counters) = slurp('libgoim/goim_channel.c')
    =~ /goim_job_counter_names\[\w+\] = \{(.*?)\}/s;
is(join(' ', missing(slurp('docs/goim-job.md'), $counters =~ /"(\w+)"/g)),
   '', 'and each of goim-job');
