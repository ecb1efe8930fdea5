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

# The same with the wrappers of a type, wrong and right.
typed() {
    echo '#include <mpsc.h>'
    echo 'MPSC_DEFINE_CHANNEL(number, int);'
    echo 'int send(number_sender *tx); int receive(number_receiver *rx);'
    echo 'int send(number_sender *tx) { int *loan = number_loan(tx, NULL); if (!loan) { return 0; }'
    echo 'int kept = *loan = 1; mpsc_status status = number_send_loan(tx, loan);'
    echo "(void)kept; return status ? 0 : $1; }"
    echo 'int receive(number_receiver *rx) { const int *seen = number_peek(rx, NULL);'
    echo 'if (!seen) { return 0; } int kept = *seen; mpsc_status status = number_release(rx, seen);'
    echo "(void)kept; return status ? 0 : $2; }"
}

result=0
compile() { # the warning comes from the optimiser's view, so it is a real compilation
    $gcc -std=gnu11 -Wall "$2" -D_GNU_SOURCE -I"$srcdir/include" -c -o /dev/null \
        "$srcdir/examples/$1" 2>&1
}
compile_typed() {
    typed "$2" "$3" | $gcc -std=gnu11 -Wall "$1" -I"$srcdir/include" -x c -c -o /dev/null - 2>&1
}
must_be_said() { # NAME LEVEL TEXT
    for call in mpsc_send_loan mpsc_release; do
        if ! echo "$3" | grep -q "used after.*$call"; then
            echo "$1 $2: no \"used after\" $call, but:"
            echo "$3"
            result=1
        fi
    done
}
must_be_silent() { # NAME LEVEL TEXT
    if [ -n "$3" ]; then
        echo "$1 $2 is right, and yet:"
        echo "$3"
        result=1
    fi
}
for level in -O0 -O2; do
    must_be_said ownership_wrong.c $level "$(compile ownership_wrong.c $level)"
    must_be_silent ownership.c $level "$(compile ownership.c $level || echo failed)"
done
for level in -O1 -O2; do
    must_be_said "the wrappers" $level "$(compile_typed $level '*loan' '*seen')"
    must_be_silent "the wrappers" $level "$(compile_typed $level kept kept || echo failed)"
done
exit $result
