#!/bin/sh
# SPDX-License-Identifier: MIT
# GCC reports, under plain -Wall, a loan that is touched after it was sent and a message that is
# touched after its release: examples/ownership_wrong.c. Its twin without the mistake, ownership.c,
# compiles without a word.
set -eu

: "${srcdir:=.}" "${CC:=cc}"

# Another compiler may be the one that builds; then gcc is looked for.
is_gcc() {
    version=$($1 -E -dM -x c /dev/null 2>/dev/null |
        awk '$2 == "__clang__" { clang = 1 } $2 == "__GNUC__" { version = $3 }
             END { print clang ? 0 : version + 0 }')
    [ "${version:-0}" -ge 12 ]
}
if is_gcc "$CC"; then
    gcc=$CC
elif is_gcc gcc; then
    gcc=gcc
else
    echo "needs GCC 12 or later"
    exit 77
fi

result=0
compile() { # the warning comes from the optimiser's view, so it is a real compilation
    $gcc -std=gnu11 -Wall "$2" -D_GNU_SOURCE -I"$srcdir/include" -c -o /dev/null \
        "$srcdir/examples/$1" 2>&1
}
for level in -O0 -O2; do
    said=$(compile ownership_wrong.c $level) || true
    for call in mpsc_send_loan mpsc_release; do
        if ! echo "$said" | grep -q "used after.*$call"; then
            echo "ownership_wrong.c $level: no \"used after\" $call, but:"
            echo "$said"
            result=1
        fi
    done
    said=$(compile ownership.c $level) || result=1
    if [ -n "$said" ]; then
        echo "ownership.c $level is right, and yet:"
        echo "$said"
        result=1
    fi
done
exit $result
