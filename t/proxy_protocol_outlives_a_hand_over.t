# What the PROXY protocol has said of a client, its addresses, ports and further
# values, is known to each worker that takes the connection over; and a client
# without it gets none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket qw(inet_aton inet_pton AF_INET6);
use Test::More;
use Test::Goim tests => 5;

use Test::Goim::Util qw(slurp);

# nginx knows the values since 1.23.2
my ($minor, $patch) = Test::Goim->nginx_version =~ /^1\.(\d+)\.(\d+)/;
my $has_values = $minor > 23 || ($minor == 23 && $patch >= 2);
my $value = $has_values ? '$proxy_protocol_tlv_authority' : 'host.example';

my $goim = Test::Goim->new(workers => 1, http => <<"HTTP", servers => <<'SERVERS')
    log_format end '\$goim_key \$remote_addr \$proxy_protocol_addr '
                   '\$proxy_protocol_port \$proxy_protocol_server_addr '
                   '\$proxy_protocol_server_port $value';
    goim_access_log %%DIR%%/end.log end;
HTTP
    server {
        listen 127.0.0.1:%%PORT_tcp%% proxy_protocol;
        set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
        goim_tcp /sub;
        %%locations%%
    }
SERVERS
    ->start;

my $nginx = $goim->nginx;
my $tlv = pack('C n/a', 2, 'host.example');

my %clients = (
    four => $goim->connect_tcp(preface => header(
        0x11, inet_aton('192.0.2.9') . inet_aton('192.0.2.8')
              . pack('n n', 1009, 80) . $tlv)),
    six => $goim->connect_tcp(preface => header(
        0x21, inet_pton(AF_INET6, '2001:db8::9')
              . inet_pton(AF_INET6, '2001:db8::8')
              . pack('n n', 65535, 443) . $tlv)),
    none => $goim->connect_ws,
);

$clients{$_}->join_room('live://1', key => $_) for sort keys %clients;

for my $round (1, 2) {
    $goim->reload;
    wait_until(20, 'old workers to end', sub { !$nginx->old_worker_pids });
}

is($goim->status->{total}{moved_in}, 3, 'they were handed over');
is(scalar(grep { $_->is_closed } values %clients), 0, 'twice');

$goim->kick([sort keys %clients]);

is(line('four'), '192.0.2.9 192.0.2.9 1009 192.0.2.8 80 host.example',
   'IPv4');
is(line('six'),
   '2001:db8::9 2001:db8::9 65535 2001:db8::8 443 host.example', 'IPv6');
is(line('none'), '127.0.0.1 - - - - ' . ($has_values ? '-' : 'host.example'),
   'none');


# Version 2, TCP.
sub header {
    my ($family, $data) = @_;

    return "\r\n\r\n\0\r\nQUIT\n" . pack('C C n/a', 0x21, $family, $data);
}


# What the log has of a client.
sub line {
    my ($key) = @_;

    return wait_until(20, undef, sub {
        return (slurp($goim->dir . '/end.log') =~ /^\Q$key\E (.*)$/m)[0];
    });
}
