#!/bin/bash
# Gives a fuzz target the inputs that t/fuzz/corpus/ has for it, each once: what
# a defect was found with, and what a fuzzer begins with.  One check, in TAP.
#
#   run_corpus.sh FUZZ_TARGET
#
# Run in the top folder of the tree.
set -uo pipefail

name=$(basename "$1")
shopt -s nullglob
inputs=(t/fuzz/corpus/"$name"/*)

echo 1..1

# without an input it would not end
if ! ((${#inputs[@]})); then
    echo "not ok 1 - $name has no inputs"
    exit 1
fi

if ! words=$("$1" "${inputs[@]}" 2>&1); then
    echo "not ok 1 - $name takes ${#inputs[@]} inputs"
    sed 's/^/# /' <<<"$words" >&2
    exit 1
fi

echo "ok 1 - $name takes ${#inputs[@]} inputs"
