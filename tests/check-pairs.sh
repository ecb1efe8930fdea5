#!/bin/sh
# SPDX-License-Identifier: MIT
# Memory order is a matter of two places. Each names the other by a comment "PAIR label: ..."; a
# label that stands once has lost its partner, one without an atomic below it its place.
set -eu

: "${srcdir:=.}"
labels=$(grep -rho '\<PAIR [a-z0-9_-]\{1,\}:' "$srcdir/lib" --include='*.[ch]' | sort | uniq -c)
lonely=$(echo "$labels" | awk '$1 == 1 { print $3 }')

if [ -z "$labels" ]; then
    echo "no label was found"
    exit 1
fi
for label in $lonely; do
    echo "only one place says \"PAIR $label\":"
    grep -rn "\<PAIR $label" "$srcdir/lib"
done
loose=$(awk '/PAIR [a-z0-9_-]+:/ { left = 9; at = FILENAME ":" FNR ": " $0 }
    left && /atomic_|stamp_change\(/ && !/PAIR/ { left = 0 }
    left && --left == 0 { print at }' "$srcdir"/lib/*.[ch] "$srcdir"/lib/os/*.[ch])
[ -z "$loose" ] || printf 'no atomic stands below\n%s\n' "$loose"
[ -z "$lonely$loose" ] || exit 1
echo "$(echo "$labels" | wc -l) pairs"
