# Lua's and njs' handlers around goim: they let clients in, answer in place of
# the auth service and of logic, and log, whether their modules are loaded
# before goim's or behind it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Goim;

use Test::Goim::Util qw(slurp spew);

my $ndk = Test::Goim->load_line('ndk_http_module');
my $lua = Test::Goim->load_line('ngx_http_lua_module');
my $njs = Test::Goim->load_line('ngx_http_js_module');

plan(skip_all => 'skipped: Lua and njs (libnginx-mod-http-lua and'
     . ' libnginx-mod-http-js, for Debian\'s nginx)')
    if !defined $ndk || !defined $lua || !defined $njs;

Test::Goim->plan(2 * (2 * 10 + 6));

my $server = <<'SERVER';
        lua_check_client_abort on;

        location = /lua {
            access_by_lua_block {
                ngx.sleep(0.05)
                local asked = ngx.location.capture('/ask')
                if asked.status ~= 200 then return ngx.exit(500) end
                ngx.ctx.asked = asked.body
                if ngx.var.remote_addr ~= '127.0.0.1' then
                    return ngx.exit(403)
                end
            }
            header_filter_by_lua_block { ngx.header['X-Seen'] = 'by Lua' }
            log_by_lua_block {
                ngx.log(ngx.WARN, 'Lua saw ', ngx.var.goim_transport, ' ',
                        ngx.var.goim_key, ' ', ngx.ctx.asked, ' ', ngx.status)
            }
            goim; goim_auth /lua_auth; goim_publish /lua_publish;
            goim_access_log %%DIR%%/end.log end;
        }
        location = /ask { internal; content_by_lua_block { ngx.print('yes') } }
        location = /lua_auth {
            internal;
            content_by_lua_block {
                ngx.req.read_body()
                local token = ngx.req.get_body_data()
                if token == 'no' then return ngx.exit(403) end
                ngx.sleep(0.01)
                ngx.header['X-Goim-Mid'] = '7'
                ngx.header['X-Goim-Key'] = token
                ngx.header['X-Goim-Room'] = 'live://1'
                ngx.header['X-Goim-Accepts'] = '1000,1001'
                return ngx.exit(200)
            }
        }
        location = /lua_publish {
            internal;
            content_by_lua_block {
                ngx.req.read_body()
                ngx.sleep(0.01)
                ngx.print('{"code":0,"message":"', ngx.req.get_body_data(),
                          ' ', ngx.var.http_x_goim_key, '"}')
            }
        }

        location = /lua_out {
            access_by_lua_block { ngx.sleep(0.05) return ngx.exit(403) }
            header_filter_by_lua_block {
                ngx.header['X-Seen'] = 'by Lua'
                ngx.header.content_length = 8
            }
            body_filter_by_lua_block { ngx.arg[1] = 'from Lua' }
            goim; goim_auth /lua_auth;
        }
        location = /lua_says {
            access_by_lua_block { ngx.say('not goim') return ngx.exit(200) }
            goim; goim_auth /lua_auth;
        }
        location = /lua_fails {
            access_by_lua_block { error('a mistake') }
            goim; goim_auth /lua_auth;
        }
        location = /lua_exec {
            rewrite_by_lua_block { ngx.sleep(0.05) return ngx.exec('/lua') }
        }
        location = /lua_waits {
            access_by_lua_block {
                ngx.on_abort(function() ngx.log(ngx.WARN, 'Lua: aborted')
                                        ngx.exit(499) end)
                ngx.log(ngx.WARN, 'Lua: waits')
                ngx.sleep(600)
            }
            goim; goim_auth /lua_auth;
        }

        location = /njs {
            js_header_filter it.head;
            goim; goim_auth /njs_auth; goim_publish /njs_publish;
            goim_access_log %%DIR%%/end.log end;
        }
        location = /njs_auth { internal; js_content it.auth; }
        location = /njs_publish { internal; js_content it.publish; }
        location = /njs_is {
            goim; goim_identity mid=8 key=$njs_key room=live://1 accepts=1000;
        }
SERVER

my @tcp = qw(lua lua_out lua_says lua_fails lua_exec lua_waits njs njs_is);

for my $first (1, 0) {
    my $lines = $ndk . $lua . $njs;
    my $goim = Test::Goim->new(
        workers => 1, ($first ? 'modules' : 'main') => $lines,
        cases => $server, server => '%%cases%%', http => <<'HTTP',
    log_format end '$goim_key $goim_mid $goim_close_reason $seen';
    map $goim_close_reason $seen { default $njs_seen; }
    js_import it from %%DIR%%/it.js;
    js_set $njs_key it.key;
    js_set $njs_seen it.seen;
HTTP
        servers => join('', map { <<"SERVER" } @tcp));
    server {
        listen 127.0.0.1:%%PORT_$_%%;
        goim_tcp /$_;
        %%cases%%
    }
SERVER

    spew($goim->dir . '/it.js', <<'JS');
function key(r) { return 'njs-' + r.variables.connection; }
function seen(r) { return 'seen-' + r.variables.goim_transport; }
function head(r) { r.headersOut['X-Seen'] = 'by njs'; }
function auth(r) {
    if (r.requestText == 'no') { r.return(403); return; }
    r.headersOut['X-Goim-Mid'] = '8';
    r.headersOut['X-Goim-Key'] = r.requestText;
    r.headersOut['X-Goim-Room'] = 'live://1';
    r.headersOut['X-Goim-Accepts'] = '1000,1001';
    r.return(200);
}
function publish(r) {
    r.return(200, '{"code":0,"message":"' + r.requestText + ' '
             + r.headersIn['X-Goim-Key'] + '"}');
}
export default { key, seen, head, auth, publish };
JS

    $goim->start;
    try_all($goim, $first ? 'before goim' : 'behind goim');
}


sub try_all {
    my ($goim, $order) = @_;

    for my $transport (qw(ws tcp)) {
        my $open = sub {
            my ($name, $token) = @_;
            return $transport eq 'ws'
                ? $goim->connect_ws(path => "/$name", token => $token)
                : $goim->connect_tcp(port => $goim->nginx->extra_port($name),
                                     token => $token);
        };
        my $what = "$order, $transport";

        for my $language (qw(lua njs)) {
            my $key = "$language-$transport";
            my $client = $open->($language, $key);

            ok($client->reply(8), "$what: $language answers for auth");
            $goim->push_keys([$key], 1000, 'hello');
            is($client->next_body, 'hello', 'with a key that is known');
            $client->send_packet(4, 'say it');
            my $answer = $client->reply(5);
            is($answer && $answer->{body},
               qq({"code":0,"message":"say it $key"}),
               'and for goim_publish');

            $goim->kick([$key]);
            my $transports = $transport eq 'ws' ? 'websocket' : 'tcp';
            my $mid = $language eq 'lua' ? 7 : 8;
            ok(line($goim, 'end.log', "$key $mid kick seen-$transports"),
               'njs\' variables are in goim_access_log');
        }

        ok($open->('lua_exec', "exec-$transport")->reply(8),
           "$what: Lua leads another location's clients here");
        ok(logged($goim, qr/Lua saw \w+ exec-$transport yes 101/),
           'and logs who came');
    }

    # out

    my @out = map { tcp($goim, $_) } qw(lua_out lua_says lua_fails);
    is(scalar(grep { defined $_->expect_close(20) && !$_->{received} } @out),
       3, "$order: whom Lua refuses or answers itself ends without a word");
    my $refused = $goim->connect_ws(path => '/lua_out')->response;
    is("$refused->{status} $refused->{headers}{'x-seen'}", '403 by Lua',
       'or by HTTP');
    is($goim->connect_ws(path => '/lua', token => 'no')->expect_close, 1008,
       'Lua refuses a token');
    is($goim->connect_ws(path => '/njs', token => 'no')->expect_close, 1008,
       'so does njs');

    # Lua looks for the end of what has been sent, so this one sends nothing
    my $leaves = tcp($goim, 'lua_waits', undef);
    logged($goim, qr/Lua: waits/);
    $leaves->reset;
    ok(logged($goim, qr/Lua: aborted/),
       'Lua is told when a client leaves in its handler');

    my $is = tcp($goim, 'njs_is');
    $goim->push_room('live://1', 1000, 'to all there');
    is($is->next_body, 'to all there', 'njs\' variables are an identity');
}


sub tcp {
    my ($goim, $name, @token) = @_;

    return $goim->connect_tcp(port => $goim->nginx->extra_port($name),
                              token => @token ? $token[0] : 'a token');
}


sub logged {
    my ($goim, $pattern) = @_;

    return wait_until(20, undef, sub { $goim->error_log =~ $pattern });
}


sub line {
    my ($goim, $log, $line) = @_;

    return wait_until(20, undef, sub {
        return slurp($goim->dir . "/$log") =~ /^\Q$line\E$/m;
    });
}
