#!/bin/sh
# SPDX-License-Identifier: MIT
# The functions that mpsc.h declares, the names in the version script and the names that the built
# libraries, shared and static, show are the same.
set -eu

: "${srcdir:=.}" "${CC:=cc}" "${NM:=nm}" "${LOCAL_NAMES:=no}"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# Every name before a parenthesis, once comments and macros are gone, but inline functions.
$CC -E -P "$srcdir/include/mpsc.h" >"$directory/preprocessed"
grep -o 'static inline [^(]*(' "$directory/preprocessed" | grep -o 'mpsc_[a-z0-9_]*(' |
    tr -d '(' | sort -u >"$directory/inline"
grep -o 'mpsc_[a-z0-9_]* *(' "$directory/preprocessed" | tr -d ' (' | sort -u |
    comm -23 - "$directory/inline" >"$directory/header"

grep -o 'mpsc_[a-z0-9_]*;' "$srcdir/lib/libmpsc.map" | tr -d ';' | sort -u >"$directory/map"

result=0
compare() {
    if ! diff "$directory/$1" "$directory/$2" >"$directory/difference"; then
        echo "$1 and $2 differ (< $1, > $2):"
        grep '^[<>]' "$directory/difference"
        result=1
    fi
}

if ! [ -s "$directory/header" ]; then
    echo "no function was found in mpsc.h"
    exit 1
fi
compare header map

# names NM-FLAGS FILE: the symbols that it shows; type A is the version's own name.
names() {
    $NM --defined-only "$@" | sed -n 's/^[0-9a-f]* [^A] //p' | sed 's/@.*//' | sort -u
}
if [ -e .libs/libmpsc.so ]; then
    names -D .libs/libmpsc.so >"$directory/libmpsc.so"
    compare map libmpsc.so
fi
if [ "$LOCAL_NAMES" = yes ] && [ -e .libs/libmpsc.a ]; then
    names -g .libs/libmpsc.a >"$directory/libmpsc.a"
    compare map libmpsc.a
fi

[ $result -eq 0 ] && echo "$(wc -l <"$directory/header") public functions"
exit $result
