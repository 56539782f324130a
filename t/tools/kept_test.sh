#!/bin/bash
# Runs one test for prove, and keeps what it said for run_tests.sh to tell at
# the end: NAME.tap (its checks), NAME.err (its words), NAME.status.
#
#   GOIM_TEST_LOGS=DIR kept_test.sh TEST
set -uo pipefail

kept=$GOIM_TEST_LOGS/$(basename "$1")
command=("$1")
[[ $1 != *.t ]] || command=(perl "$1")
[[ $1 != *_fuzz ]] || command=(t/tools/run_corpus.sh "$1")

# prove's pipe is fd 4, the test's words are fd 3
exec 4>&1
{ "${command[@]}" 2>&3 3>&- 4>&- | tee "$kept.tap" >&4; } 3>&1 \
    | tee "$kept.err" >&2
status=$?

echo "$status" >"$kept.status"
exit "$status"
