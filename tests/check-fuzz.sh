#!/bin/sh
# SPDX-License-Identifier: MIT
# The fuzzer of damaged segments over its corpus, and for some seconds more: nothing crashes, hangs
# or leaks. script/fuzz does it for longer.
set -eu

: "${srcdir:=.}" "${MAKE:=make}" "${FUZZ_CC:=}" "${with_sync:=futex}"
: "${MPSC_TEST_TIMEOUT_SCALE:=1}"

if [ -z "$FUZZ_CC" ]; then
    echo "needs clang with its libFuzzer (Debian: clang, libclang-rt-dev)"
    exit 77
fi
if [ "$with_sync" = pthread ]; then
    echo "a damaged pthread mutex may hang or crash who locks it: what this variant gives up"
    exit 77
fi

$MAKE -s tests/fuzz/segment

found=$(mktemp -d)
trap 'rm -rf "$found" "$found.log"' EXIT
if ! tests/fuzz/segment -seed=1 -max_len=500 -max_total_time=10 \
    -timeout=$((20 * (${MPSC_TEST_TIMEOUT_SCALE%.*} + 1))) -artifact_prefix=tests/fuzz- \
    "$found" "$srcdir/tests/fuzz/corpus" >"$found.log" 2>&1; then
    tail -n 200 "$found.log"
    exit 1
fi
tail -n 1 "$found.log"
