#!/bin/sh
# SPDX-License-Identifier: MIT
# Doxygen reads the comments of the headers without a warning, and finds one for all that mpsc.h declares.
set -u

: "${srcdir:=.}"
command -v doxygen >/dev/null 2>&1 || { echo "no doxygen"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
SRCDIR=$(cd "$srcdir" && pwd) VERSION=0
export SRCDIR VERSION

# With $1, what Doxygen says.
says() {
    { cat "$SRCDIR/doc/Doxyfile"; echo "OUTPUT_DIRECTORY = $work"; echo "$1"; } >"$work/Doxyfile"
    doxygen "$work/Doxyfile" >"$work/said" 2>&1
}

says "" || {
    cat "$work/said"
    exit 1
}
grep -o 'mpsc_[a-z0-9_]*;' "$srcdir/lib/libmpsc.map" | tr -d ';' | while read -r call; do
    grep -q "$call()" "$work/html/mpsc_8h.html" || echo "$call is not on the page of mpsc.h"
done >"$work/missing"
says "EXTRACT_ALL = NO"
grep 'mpsc\.h:.*is not documented' "$work/said" >>"$work/missing"
if [ -s "$work/missing" ]; then
    cat "$work/missing"
    exit 1
fi
echo "no warning"
