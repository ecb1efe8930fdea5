#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples for users of pkg-config alone, CMake and Meson build against an installed library, and run.
#
# $CC and $MAKE are lists of words.
# shellcheck disable=SC2086
set -eu

: "${srcdir:=.}" "${CC:=cc}" "${MAKE:=make}" "${PKG_CONFIG:=pkg-config}" "${SANITIZER_FLAGS=}" "${libdir:=/usr/local/lib}"
skip() {
    echo "skipped: $*"
    exit 77
}
command -v "${PKG_CONFIG%% *}" >/dev/null || skip "no pkg-config"
[ -e .libs/libmpsc.so ] || skip "there is no shared library"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR || true

quietly() {
    "$@" >"$root/log" 2>&1 || {
        echo "failed: $*"
        cat "$root/log"
        exit 1
    }
}
quietly $MAKE install DESTDIR="$root/to"
export PKG_CONFIG_LIBDIR="$root/to$libdir/pkgconfig" PKG_CONFIG_PATH='' PKG_CONFIG_SYSROOT_DIR="$root/to" \
    PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export CC CFLAGS="$SANITIZER_FLAGS" LDFLAGS="$SANITIZER_FLAGS"
examples=$(cd "$srcdir/examples" && pwd)

works() {
    LD_LIBRARY_PATH=$root/to$libdir quietly "$2"
    grep -q '^libmpsc .*Got: 42$' "$root/log" || {
        echo "$1: the program printed:"
        cat "$root/log"
        exit 1
    }
    echo "ok: $1"
}

# The flags are lists of words.
# shellcheck disable=SC2046
quietly $CC $SANITIZER_FLAGS -o "$root/one_number" "$examples/one_number.c" $($PKG_CONFIG --cflags --libs mpsc)
works pkg-config "$root/one_number"

# Those that are installed, one by one. (uv_loop.c needs libuv.)
for example in "$examples"/*.c; do
    # shellcheck disable=SC2046
    [ "$example" = "$examples/uv_loop.c" ] ||
        quietly $CC $SANITIZER_FLAGS -fsyntax-only "$example" $($PKG_CONFIG --cflags mpsc)
done
echo "ok: each example by itself"

left_out=
if command -v cmake >/dev/null; then
    quietly cmake -S "$examples/cmake" -B "$root/cmake"
    quietly cmake --build "$root/cmake"
    works CMake "$root/cmake/one_number"
else
    left_out="$left_out CMake's example (no cmake)"
fi
if command -v meson >/dev/null && command -v ninja >/dev/null; then
    quietly meson setup "$root/meson" "$examples/meson"
    quietly meson compile -C "$root/meson"
    works Meson "$root/meson/one_number"
else
    left_out="$left_out Meson's example (no meson or no ninja)"
fi
[ -z "$left_out" ] || skip "$left_out; the rest is so"
