#!/bin/bash
# Builds the module as a dynamic one.
#
#   build_module.sh NGINX_SRC WORK OUT
#
# NGINX_SRC is an nginx source tree (auto/configure) or what Debian's
# nginx-dev installs (configure, conf_flags); it is copied to WORK and never
# written to.  OUT is the shared object.  Configured anew only when the tree,
# ./config or the list of files has changed.
set -euo pipefail

src=$1 work=$2 out=$3
top=$PWD

[[ -d $src ]] || { echo "build_module: no nginx source tree in $src" >&2; exit 1; }

export DEB_BUILD_MAINT_OPTIONS=hardening=+all
cflags="$(dpkg-buildflags --get CFLAGS) $(dpkg-buildflags --get CPPFLAGS) -fPIC"
ldflags="$(dpkg-buildflags --get LDFLAGS) -fPIC"

stamp=$(
    echo "$top" "$src" "$cflags" "$ldflags" "${GOIM_MODULE_CFLAGS:-}"
    cat "$top/config"
    ls "$top"/ngx_goim_module "$top"/libgoim
    grep -hE '#define (nginx_version|NGINX_VER)' "$src"/src/core/nginx.h
)

if [[ ! -f $work/goim.stamp || $(<"$work/goim.stamp") != "$stamp" ]]; then
    rm -rf "$work"
    mkdir -p "$(dirname "$work")"
    cp -rL "$src" "$work"
    chmod -R u+w "$work"

    if [[ -f $work/conf_flags ]]; then
        # shellcheck disable=SC1091
        . "$work/conf_flags"
        configure=./configure
    else
        NGX_CONF_FLAGS=(--with-compat --with-threads --with-http_ssl_module
            --with-http_realip_module --with-http_auth_request_module
            --with-http_v2_module --with-debug)
        configure=auto/configure
        [[ -x $work/auto/configure ]] || configure=./configure
    fi

    (cd "$work" && $configure "${NGX_CONF_FLAGS[@]}" \
        --with-cc-opt="$cflags ${GOIM_MODULE_CFLAGS:-}" --with-ld-opt="$ldflags" \
        --add-dynamic-module="$top" >configure.log 2>&1) || {
        tail -20 "$work/configure.log" >&2
        exit 1
    }
    echo "$stamp" >"$work/goim.stamp"
fi

make -s -C "$work" -f objs/Makefile modules
mkdir -p "$(dirname "$out")"
# a new file, not the old one written over: a running nginx may have that mapped
cp "$work/objs/ngx_http_goim_module.so" "$out.new"
mv "$out.new" "$out"
