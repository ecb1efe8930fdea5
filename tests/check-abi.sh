#!/bin/sh
# SPDX-License-Identifier: MIT
# The shared library has the binary interface of lib/libmpsc.abi: every call and type of the header as
# they were. After an addition, `make abi-dump` writes that file anew; what breaks programs that are
# linked already takes a new version in configure.ac.
set -u

: "${srcdir:=.}"
library=.libs/libmpsc.so.0
skip() { echo "$1"; exit 77; }

command -v abidiff >/dev/null 2>&1 || skip "no abidiff (Debian: abigail-tools)"
[ -e $library ] || skip "no shared library"
[ -z "${SANITIZER_FLAGS-}" ] || skip "the sanitizers change the interface"
case $(uname -m) in
x86_64) ;;
*) skip "lib/libmpsc.abi is of x86-64" ;;
esac
readelf -S $library 2>/dev/null | grep -q '\.debug_info' || skip "built without -g"

abidiff --no-show-locs --suppressions "$srcdir/lib/libmpsc.abignore" \
    "$srcdir/lib/libmpsc.abi" $library || {
    echo "The binary interface has changed. If it was meant: make abi-dump"
    exit 1
}
