#!/bin/bash
# Installs the Debian 12 packages that building and testing need, as root or
# through sudo; does nothing when all are there.
#
#   setup.sh [demo]
#
# With "demo" only those that "make demo" needs.
set -euo pipefail

packages=(
    build-essential dpkg-dev pkg-config perl
    nginx nginx-dev
    librdkafka-dev libprotobuf-c-dev protobuf-c-compiler libyajl-dev
    libinih-dev libsystemd-dev libevent-dev libhiredis-dev uthash-dev
    libjwt-dev libpcre2-dev zlib1g-dev libssl-dev
    curl kcat
)
[[ ${1:-} == demo ]] || packages+=(
    libnginx-mod-stream
    libnginx-mod-http-ndk libnginx-mod-http-lua libnginx-mod-http-js
    libcmocka-dev clang libclang-rt-14-dev clang-format-14
    redis-server default-jre-headless maven
    nodejs node-ws node-typescript chromium
    systemd
)

missing=()
for p in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) == installed ]] ||
        missing+=("$p")
done
((${#missing[@]})) || exit 0

sudo=()
if ((EUID)); then
    sudo=(sudo)
fi

echo "setup: installing ${missing[*]}"
"${sudo[@]}" apt-get update -q
# nginx and Redis must not be started by their installation: policy-rc.d
# refuses it
policy=/usr/sbin/policy-rc.d
made=
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
    "${sudo[@]}" chmod 755 $policy
    made=1
fi
rc=0
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" || rc=$?
[[ -z $made ]] || "${sudo[@]}" rm -f $policy
exit $rc
