#!/bin/sh
# SPDX-License-Identifier: MIT
# `make install` into a DESTDIR gives what a program needs that is built by pkg-config, shared and
# static; `make uninstall` leaves nothing.
#
# $CC, $MAKE and the flags are lists of words.
# shellcheck disable=SC2086,SC2046
set -eu

: "${CC:=cc}" "${MAKE:=make}" "${PKG_CONFIG:=pkg-config}" "${SANITIZER_FLAGS=}"
: "${libdir:=/usr/local/lib}" "${bindir:=/usr/local/bin}"
if ! command -v "${PKG_CONFIG%% *}" >/dev/null; then
    echo "no pkg-config"
    exit 77
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR || true

quietly() {
    "$@" >"$root.log" 2>&1 || {
        echo "failed: $*"
        cat "$root.log"
        rm -f "$root.log"
        exit 1
    }
    rm -f "$root.log"
}

quietly $MAKE install DESTDIR="$root/to"

cat >"$root/program.c" <<'END'
#include <mpsc.h>
#include <stdio.h>
static mpsc_sender *tx;
static mpsc_receiver *rx;
static mpsc_status status;
/* Before main, as static objects of C++ are made. */
__attribute__((constructor)) static void begin(void)
{
    status = mpsc_sync_channel(sizeof(int), 1, &tx, &rx);
}
int main(void)
{
    int sent = 42, received = 0;
    if (status == MPSC_OK)
        status = mpsc_send(tx, &sent, sizeof sent);
    if (status == MPSC_OK)
        status = mpsc_recv(rx, &received, sizeof received, NULL);
    if (status == MPSC_OK) {
        mpsc_sender_close(tx);
        mpsc_receiver_close(rx);
    }
    printf("libmpsc %s: %s\n", mpsc_version(), mpsc_strstatus(status));
    return status != MPSC_OK || received != sent;
}
END

# The system's own paths are not left out, since here they are below DESTDIR.
flags() {
    PKG_CONFIG_LIBDIR=$root/to$libdir/pkgconfig PKG_CONFIG_PATH='' PKG_CONFIG_SYSROOT_DIR=$root/to \
        PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 $PKG_CONFIG "$@" mpsc
}

if ls "$root/to$libdir"/libmpsc.so >/dev/null 2>&1; then
    quietly $CC $SANITIZER_FLAGS -o "$root/shared" "$root/program.c" $(flags --cflags --libs)
    LD_LIBRARY_PATH=$root/to$libdir "$root/shared"
fi
if [ -e "$root/to$libdir/libmpsc.a" ]; then
    quietly $CC $SANITIZER_FLAGS -o "$root/static" "$root/program.c" $(flags --cflags) \
        "$root/to$libdir/libmpsc.a" $(flags --static --libs-only-l | sed 's/-lmpsc//')
    "$root/static"
fi
"$root/to$bindir/mpsc-inspect" --help >/dev/null || {
    echo "the installed mpsc-inspect --help failed"
    exit 1
}

quietly $MAKE uninstall DESTDIR="$root/to"
left=$(find "$root/to" ! -type d)
if [ -n "$left" ]; then
    echo "uninstall left:"
    echo "$left"
    exit 1
fi
