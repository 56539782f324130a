#!/bin/bash
# Builds nginx 1.28 and the module for it, both with AddressSanitizer and
# UndefinedBehaviorSanitizer: OUT/nginx and OUT/ngx_http_goim_module.so; and
# OUT/echo/ngx_http_goim_module.so, the same as an echo (make WS_ECHO=1).
#
#   build_nginx_san.sh OUT
#
# Run in the top folder of the tree.  nginx's source is that of the crate
# nginx-src, which cargo brings; where it can't, nothing is built and that is
# no error.  The source is fetched once, configured anew when ./config or the
# list of files changes, compiled when a source does.
set -euo pipefail

[[ $# == 1 ]] || { echo 'usage: build_nginx_san.sh OUT' >&2; exit 1; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
top=$PWD
src=$out/src

# nginx itself passes NULL to functions declared nonnull (memcpy of nothing)
flags='-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined'
flags+=' -fno-sanitize=nonnull-attribute -fno-sanitize-recover=undefined'
# and reads words at odd addresses, where it is not told that it can't
flags+=' -DNGX_HAVE_NONALIGNED=0'

skip() {
    echo 'skipped: nginx 1.28 (cargo can'\''t fetch nginx-src)'
    exit 0
}

# a project that needs nothing but nginx-src, and its vendored copy
fetch() {
    local tmp
    command -v cargo >/dev/null || return 1
    tmp=$(mktemp -d "$out/fetch.XXXXXX")
    mkdir "$tmp/src"
    : >"$tmp/src/lib.rs"
    cat >"$tmp/Cargo.toml" <<'TOML'
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"

[dependencies]
nginx-src = "~1.28"
TOML
    (cd "$tmp" && { cargo vendor -q || cargo vendor -q --offline; }) \
        >"$out/fetch.log" 2>&1 || true
    rm -rf "$src"
    [[ ! -d $tmp/vendor/nginx-src/nginx ]] ||
        mv "$tmp/vendor/nginx-src/nginx" "$src"
    rm -rf "$tmp"
    [[ -d $src/auto ]]
}

[[ -d $src/auto ]] || fetch || skip

# A worker that ends unloads its modules, and what their variables point to
# looks lost to LeakSanitizer, without a name to tell it by: they stay.
echo 'int dlclose(void *handle) { return handle == 0; }' |
    cc -x c -c -o "$out/dlclose.o" -
link="$flags $out/dlclose.o"

files=()
for f in config ngx_goim_module/*.[ch] libgoim/*.[ch]; do
    [[ ! -f $f ]] || files+=("$f")
done

options=(--with-debug --with-threads --with-compat --with-http_ssl_module
    --with-http_realip_module --with-http_auth_request_module
    --with-http_v2_module --with-http_v3_module --with-stream
    --with-http_stub_status_module)

configured=$(
    echo "$top" "$flags" "$link" "${options[@]}"
    printf '%s\n' "${files[@]}"
    cat config
)
compiled=$(echo "$configured" | cat - "${files[@]}" "$0" | sha256sum)

if [[ -x $out/nginx && -f $out/ngx_http_goim_module.so &&
    -f $out/echo/ngx_http_goim_module.so &&
    -f $out/compiled && $(<"$out/compiled") == "$compiled" ]]; then
    exit 0
fi
rm -f "$out/compiled"

if [[ ! -f $out/configured || $(<"$out/configured") != "$configured" ]]; then
    rm -f "$out/configured"
    rm -rf "$src/objs"
    (cd "$src" && auto/configure --prefix=. --error-log-path=stderr \
        "${options[@]}" --with-cc-opt="$flags" --with-ld-opt="$link" \
        --add-dynamic-module="$top") >"$out/configure.log" 2>&1 || {
        tail -20 "$out/configure.log" >&2
        exit 1
    }
    echo "$configured" >"$out/configured"
fi

# make's ARGUMENTs for what is to be made: nothing that another one, or an older
# header that ./config does not list, has left behind is used
build() {
    rm -rf "$src"/objs/addon/*/*.o
    make -s -C "$src" -f objs/Makefile -j"$(nproc)" "$@" \
        >>"$out/make.log" 2>&1 || {
        tail -40 "$out/make.log" >&2
        exit 1
    }
}

: >"$out/make.log"
mkdir -p "$out/echo"

build modules CC='cc -DNGX_GOIM_WS_ECHO=1 -DGOIM_HANDOVER_VERSION=1000'
cp "$src/objs/ngx_http_goim_module.so" "$out/echo/"

build binary modules
cp "$src/objs/nginx" "$src/objs/ngx_http_goim_module.so" "$out/"
echo "$compiled" >"$out/compiled"
