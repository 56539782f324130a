#!/bin/bash
# Runs everything that has been built: unit tests, plain and with sanitizers,
# then the behaviour tests with the nginx of the system, then these again
# with an nginx 1.28, a module and a goim-job that all have sanitizers.
#
#   run_tests.sh [DIR]
#
# With DIR, only the behaviour tests of that folder.  Run in the top folder of
# the tree.  Fails if anything failed, after having run all.
#
# Environment: GOIM_TEST_JOBS tests run at the same time (default 4);
# GOIM_NGINX is the nginx of the first round.
set -uo pipefail

dir=${1:-t}
failed=()

step() { # NAME COMMAND...
    echo
    echo "== $1"
    "${@:2}" || failed+=("$1")
}

behaviours() {
    prove -j"${GOIM_TEST_JOBS:-4}" "$dir"/*.t
}

shopt -s nullglob
units=(build/t/*_test)
san_units=(build/san/t/*_test)

if [[ $# == 0 ]]; then
    export CMOCKA_MESSAGE_OUTPUT=TAP
    step 'unit tests' prove -e '' "${units[@]}"
    step 'unit tests with sanitizers' prove -e '' "${san_units[@]}"
fi

step "$dir with ${GOIM_NGINX:-the nginx of the system}" behaviours

san=build/nginx-san
if [[ -x $san/nginx && -f $san/compiled && -x build/san/goim-job ]]; then
    export GOIM_SAN=1
    export GOIM_NGINX=$PWD/$san/nginx
    export GOIM_MODULE=$PWD/$san/ngx_http_goim_module.so
    export GOIM_JOB=$PWD/build/san/goim-job
    step "$dir with nginx 1.28 and sanitizers" behaviours

else
    echo
    echo 'skipped: nginx 1.28 with sanitizers (not built)'
fi

echo
if ((${#failed[@]})); then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo 'all passed'
