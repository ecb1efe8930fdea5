#!/bin/sh
# SPDX-License-Identifier: MIT
# A send and a receive of 8 bytes, with nobody waiting, take no more instructions than
# tests/instructions.txt says. Unlike time they can be counted on any machine, by valgrind; the
# difference of two runs leaves out what is done once.
set -eu

: "${srcdir:=.}" "${CC:=cc}" "${CFLAGS=-O2}"
few=1000
many=11000
skip() { echo "$1"; exit 77; }

command -v valgrind >/dev/null 2>&1 || skip "no valgrind"
[ -e .libs/libmpsc.so ] || skip "no shared library"
[ -z "${SANITIZER_FLAGS-}" ] || skip "the sanitizers add instructions"
[ "${with_sync:-futex}" = futex ] || skip "the counts are of --with-sync=futex"
[ "$(echo "$CFLAGS" | sed 's/-g[0-9]*//g; s/ //g')" = -O2 ] ||
    skip "the counts are of -O2, not '$CFLAGS'"

compiler=$($CC -E -dM -x c /dev/null | awk '
    $2 == "__clang_major__" { clang = $3 }
    $2 == "__GNUC__" { gcc = $3 }
    END { print clang ? "clang-" clang : "gcc-" gcc }')
key="$compiler $(uname -m)"

# collected CALL MESSAGES: the instructions in all calls of that name.
collected() {
    log=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$1" \
        ./tests/instructions "$2" 2>&1) || { echo "$log" >&2; return 1; }
    echo "$log" | sed -n 's/.*Collected : //p'
}
# count CALL: for one message, rounded.
count() {
    less=$(collected "$1" $few)
    more=$(collected "$1" $many)
    [ "${more:-0}" -gt "${less:-0}" ] || { echo "valgrind counted nothing in $1" >&2; return 1; }
    echo $(((more - less + (many - few) / 2) / (many - few)))
}
send=$(count mpsc_send)
receive=$(count mpsc_recv)

# shellcheck disable=SC2046
set -- $(awk -v key="$key" '$1 " " $2 == key { print $3, $4 }' "$srcdir/tests/instructions.txt")
[ $# -eq 2 ] || skip "no counts of $key. They would be: $key $send $receive"

result=0
# compare WHAT COUNT ALLOWED: two more, or two per cent, are nothing.
compare() {
    slack=$(($3 / 50 > 2 ? $3 / 50 : 2))
    echo "$1: $2 instructions, $3 in tests/instructions.txt"
    if [ "$2" -gt $(($3 + slack)) ]; then
        echo "    that is $(($2 - $3)) too many"
        result=1
    fi
}
compare mpsc_send "$send" "$1"
compare mpsc_recv "$receive" "$2"
if [ $result -ne 0 ]; then
    echo "If this is what the change is worth, its line in tests/instructions.txt becomes"
    echo "    $key $send $receive"
elif [ "$send" -lt "$1" ] || [ "$receive" -lt "$2" ]; then
    echo "Fewer than before. To keep that, its line becomes"
    echo "    $key $send $receive"
fi
exit $result
