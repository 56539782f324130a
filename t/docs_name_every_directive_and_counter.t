# Every directive has an entry in docs/directives.md, every counter of the
# status page a meaning in the docs, every setting and metric of goim-logic a
# line.

use strict;
use warnings;

use FindBin;

use Test::More tests => 8;

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

# what a goim-logic takes, in the row of its section; rows that name none
# belong to the section above

my $logic = slurp('docs/goim-logic.md');
my $conf = slurp('logic_svc/ls_conf.c');
my (%row, $section);

for my $cells (map { [split(/\s*\|\s*/, $_, -1)] } $logic =~ /^\|(.*)\|$/mg) {
    $section = $1 if $cells->[0] =~ /`\[(\w+)\]`/;
    next if @$cells != 5 || !$section;

    $row{"$section $_"} = 1 for "$cells->[1] $cells->[4]" =~ /`([^`]+)`/g;
}

# the table's rows, two forms of which name only one half
my @names;

while ($conf =~ /^\s+(?:goim_conf_custom|ls_conf_(row|text|op|port))
                 \("(\w+)",\s+("?)([\w.]+)/mxg) {
    my ($form, $first, $quote, $second) = ($1 || '', $2, $3, $4);

    push @names, $form eq 'op' ? "$first op"
                : $form eq 'port' ? "nodes $first"
                : $quote ? "$first $second" : ();
}

cmp_ok(scalar @names, '>', 30, 'goim-logic\'s settings are found');
is(join(', ', grep { !$row{$_} } @names), '', 'each has a line');

my @metrics = slurp('logic_svc/ls_metrics.c')
    =~ /(?:ls_metrics_(?:number|head)\(buf, |^\s+\{ )"(\w+)",/mg;

@metrics = grep { !/^(?:ok|refused|failed)$/ } @metrics;
cmp_ok(scalar @metrics, '>', 20, 'its metrics are found');
is(join(' ', missing($logic, @metrics)), '', 'and each has a line');
