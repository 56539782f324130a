#!/bin/bash
# The layout of the C code.  Fails for lines over 79 columns, tabs and trailing
# space; then prints, for people to judge, what clang-format 14 would change
# besides amounts of space.
#
#   lint.sh [FILE...]
set -uo pipefail

files=("$@")
((${#files[@]})) || mapfile -t files < <(git ls-files '*.c' '*.h')

rc=0
for f in "${files[@]}"; do
    awk -v f="$f" '
        length > 79 { print f ":" FNR ": over 79 columns" }
        /\t/ { print f ":" FNR ": a tab" }
        / $/ { print f ":" FNR ": trailing space" }' "$f" | grep . && rc=1
done

for f in "${files[@]}"; do
    clang-format-14 "$f" | diff -b --label "$f" --label formatted -u "$f" -
done

exit $rc
