# Every mistake in a directive fails nginx -t, by a sentence that says what
# would be right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

# what is changed => the value => what nginx must say
my @cases = (
    [channel => 'size=5000', qr/"size" must be a power of two/],
    [channel => 'size=2k', qr/"size" must be a power of two between 4k/],
    [channel => 'size=2g', qr/"size" must be .* 1g/],
    [channel => 'lanes=0', qr/"lanes" must be between 1 and 64/],
    [channel => 'lanes=65', qr/"lanes" must be between 1 and 64/],
    [channel => 'stall=1s', qr/"stall" must be a time between 2s/],
    [channel => 'group=no-such-group', qr/"group" must be a group/],
    [channel => 'mode=999', qr/"mode" must be octal/],
    [channel => 'mode=0060', qr/"mode" must let the owner/],
    [channel => 'colour=red', qr/knows the parameters size=/],
    [http => 'goim_channel /tmp/x;', qr/"goim_channel" directive is dup/],
    [http => 'goim_server_id other;', qr/"goim_server_id" directive is dup/],
    [http => 'goim_drain never;', qr/"goim_drain" directive invalid/],
    [http => 'goim_session x;', qr/"goim_session" .* beginning with "\/"/],
    [http => 'goim_session /a; goim_session /b;', qr/session" .* dupl/],
    [http => 'goim_session /a interval=1ms;', qr/"interval" between 100ms/],
    [http => 'goim_session /a renew=2d;', qr/"renew" between .* 1d/],
    [http => 'goim_session /a every=2s;', qr/parameters interval= and ren/],
    [http => 'goim_room "" { }', qr/invalid room pattern/],
    [http => 'goim_room a*b { }', qr/invalid room pattern "a\*b"/],
    [http => 'goim_room a* { } goim_room a* { }',
     qr/duplicate room pattern "a\*"/],
    [http => 'goim_room a* { backlog much; }', qr/backlog/],
    [http => 'goim_room a* { overflow wait; }', qr/overflow.*(skip|close)/s],
    [http => 'goim_room a* { speed 3; }', qr/speed/],
    [http => 'goim_room a* { max_members -1; }', qr/max_members.* number/],
    [http => 'goim_room a* { max_members 1; max_members 2; }', qr/dupl/],
    [http => 'goim_room a* { flush 2m; }', qr/"flush".* at most 1m/],
    [http => 'goim_room a* { flush 1s; flush 1s; }', qr/"flush".* dupl/],
    [http => 'goim_room a* { flush 1s count 0; }', qr/"flush".* "count" and a/],
    [http => 'goim_room a* { flush 1s 20; }', qr/"flush".* "count" and a num/],
    [http => 'goim_room a* { backlog 1k 2k; }', qr/"backlog".* one value/],
    [http => 'goim_room a* { backlog 2g; }', qr/between 1k and 1g/],
    [http => 'goim_room a* { max_rate; }', qr/"max_rate".* needs a value/],
    [http => 'goim_room a* { max_rate 10; }', qr/"max_rate".* 1\/s and/],
    [http => 'goim_room a* { max_rate 0/s; }', qr/"max_rate".* 1\/s and/],
    [http => 'goim_room a* { max_rate 9/s; max_rate 9/s; }', qr/rate".* dupl/],
    [http => 'goim_room a* { priority 1; }', qr/"priority".* needs "max_rat/],
    [http => 'goim_room a* { max_rate 9/s; priority 9-1; }', qr/2000-2099/],
    [http => 'goim_room a* { max_rate 9/s; priority x; }', qr/such as 1001/],
    [http => 'goim_room a* { max_rate 9/s; priority 1 2; priority 3; }',
     qr/"priority".* dupl/],
    [http => "goim_room a* { max_rate 9/s; priority @{[1 .. 17]}; }",
     qr/"priority".* at most 16/],
    [http => 'goim_max_pending 1k;', qr/max_pending" .* between 1m and 64g/],
    [http => 'goim_max_pending 65g;', qr/max_pending" .* between 1m and 64g/],
    [http => join(' ', map { "goim_room r$_ { }" } 1 .. 32),
     qr/one too many: there may be 31/],
    [http => 'goim_room a* { backlog 64k; backlog 1k; }', qr/backlog.*dup/],
    [location => 'goim;', qr/"goim" directive is duplicate/],
    [location => 'goim_auth /other;', qr/"goim_auth" directive is duplicate/],
    [location => 'goim_handshake_timeout 1ms;', qr/between 100ms and 1d/],
    [location => 'goim_heartbeat 2d;', qr/between 100ms and 1d/],
    [location => 'goim_max_packet 15;', qr/between 16/],
    [location => 'goim_max_packet 2m;', qr/between 16.* and 1m/],
    [location => 'goim_identity name=$uri;', qr/mid=, key=, room=, accepts= or fea/],
    [location => 'goim_identity key=$uri key=$uri;', qr/each once/],
    [location => 'goim_identity key=$no_such;', qr/unknown "no_such" var/],
    [location => 'goim_publish pub;', qr/uri of a location, begin.*"off"/],
    [location => 'goim_publish /a; goim_publish /b;', qr/publish" .* dupl/],
    [location => 'goim_uplink_max 0;', qr/uplink_max" .* must be between 1/],
    [location => 'goim_uplink_max 65536;', qr/must be between 1 and 65535/],
    [location => 'goim_access_log %%DIR%%/x none;', qr/unknown log format/],
    [locations => 'location /sub { goim; }',
     qr/"goim" needs "goim_auth" or "goim_identity"/],
    [locations => 'location /sub { goim; goim_auth auth; }',
     qr/uri of a location, beginning with "\/"/],
    [server_id => '"two words"', qr/"goim_server_id" must be 1 to 128 vis/],
    [server_id => 'x' x 129, qr/"goim_server_id" must be 1 to 128 visible/],
    [server => 'goim_tcp sub;', qr/uri of a location with "goim", begin/],
    [server => 'goim_tcp /a; goim_tcp /b;', qr/"goim_tcp" directive is dup/],
    [goim_http => '', qr/"goim" needs "goim_channel"/],
    [locations => 'goim_session /x;', qr/"goim_session" .* not allowed here/],
);

require Test::Goim;
Test::Goim->import(tests => scalar @cases);

my $goim = Test::Goim->new(kafka => 0);

for my $case (@cases) {
    my ($option, $value, $words) = @$case;
    my ($exit, $text) = $goim->nginx_t($option => $value);

    ok($exit != 0 && $text =~ /\[emerg\] / && $text =~ $words,
       "$option: $value") or diag("exit code $exit\n$text");
}
