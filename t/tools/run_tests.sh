#!/bin/bash
# Runs everything that has been built: unit tests, plain and with sanitizers,
# the inputs of the fuzz targets, then the behaviour tests with the nginx of
# the system, then these again with an nginx 1.28, a module and daemons that
# all have sanitizers.
#
#   run_tests.sh [DIR]
#
# With DIR, only the behaviour tests of that folder.  Run in the top folder of
# the tree.  Fails if anything failed, after having run all; the last lines
# then name the tests and checks that did.  What each test said is kept in
# build/test-logs/.
#
# Environment: GOIM_TEST_JOBS tests run at the same time (default 4);
# GOIM_NGINX is the nginx of the first round; GOIM_TEST_ROUNDS is "plain" or
# "san" for one of the two alone, which then must be there.
set -uo pipefail

dir=${1:-t}
rounds=${GOIM_TEST_ROUNDS:-both}
kept=build/test-logs
failed=()
steps=()

step() { # NAME TESTS...
    echo
    echo "== $1"

    steps+=("$1")
    export GOIM_TEST_LOGS=$kept/${#steps[@]}
    mkdir -p "$GOIM_TEST_LOGS"

    prove -j"${GOIM_TEST_JOBS:-4}" -e t/tools/kept_test.sh "${@:2}" ||
        failed+=("$1")
}

# Why a test failed: its failed checks and what it said about them, without
# the logs that follow.
why() { # PATH
    grep -h '^not ok' "$1.tap" | head -8
    sed '/^# --- the end of /,$d' "$1.err" | head -12
}

# A test without a status did not end.
tell_failures() {
    local i path status names=()

    for i in "${!steps[@]}"; do
        for path in "$kept/$((i + 1))"/*.tap; do
            path=${path%.tap}
            status=$(cat "$path.status" 2>/dev/null) || status='no end'
            [[ $status != 0 ]] || continue

            echo
            echo "== ${steps[i]}: $(basename "$path") ($status)"
            why "$path"
            names+=("${steps[i]}: $(basename "$path")")
        done
    done

    echo
    printf 'FAILED: %s\n' "${failed[@]}" "${names[@]}"
}

rm -rf "$kept"

shopt -s nullglob
units=(build/t/*_test)
san_units=(build/san/t/*_test)
fuzz=(build/fuzz/*_fuzz)

if [[ $# == 0 ]]; then
    export CMOCKA_MESSAGE_OUTPUT=TAP
    [[ $rounds == san ]] || step 'unit tests' "${units[@]}"
    step 'unit tests with sanitizers' "${san_units[@]}"
    step 'inputs of the fuzz targets' "${fuzz[@]}"
fi

[[ $rounds == san ]] ||
    step "$dir with ${GOIM_NGINX:-the nginx of the system}" "$dir"/*.t

san=build/nginx-san
if [[ $rounds == plain ]]; then
    :

elif [[ -x $san/nginx && -f $san/compiled && -x build/san/goim-job &&
    -x build/san/goim-logic ]]; then
    export GOIM_SAN=1
    export GOIM_NGINX=$PWD/$san/nginx
    export GOIM_MODULE=$PWD/$san/ngx_http_goim_module.so
    export GOIM_JOB=$PWD/build/san/goim-job
    export GOIM_LOGIC=$PWD/build/san/goim-logic
    step "$dir with nginx 1.28 and sanitizers" "$dir"/*.t

elif [[ $rounds == san ]]; then
    echo
    echo 'nginx 1.28 with sanitizers is not built'
    exit 1

else
    echo
    echo 'skipped: nginx 1.28 with sanitizers (not built)'
fi

if ((${#failed[@]})); then
    tell_failures
    exit 1
fi

echo
echo 'all passed'
