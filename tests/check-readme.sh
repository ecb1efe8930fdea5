#!/bin/sh
# SPDX-License-Identifier: MIT
# The first try of README.md goes as it is told there: the programs compile, and the session of three
# terminals looks the same, but for numbers. The program of ten lines prints what it is to print.
#
# In a directory of the build. It uses what is built there, installed into a temporary folder; with
# MPSC_README=clone (script/test --exhaustive) it installs from a clean clone, as the README says.
# `check-readme.sh --update` writes the session into the README.
#
# $CC and $MAKE are lists of words.
# shellcheck disable=SC1091,SC2046,SC2086,SC2094
set -u

: "${srcdir:=.}" "${CC:=cc}" "${MAKE:=make}" "${PKG_CONFIG:=pkg-config}"
: "${libdir:=/usr/local/lib}" "${bindir:=/usr/local/bin}"
. "$srcdir/tests/markdown.sh"
srcdir=$(cd "$srcdir" && pwd)
build=$(pwd)
readme=$srcdir/README.md
[ -z "${SANITIZER_FLAGS-}" ] || { echo "a program of one's own is built without sanitizers"; exit 77; }
[ "${with_sync-}" != pthread ] || { echo "it kills, which --with-sync=pthread does not always survive"; exit 77; }
[ -e .libs/libmpsc.so ] || { echo "no shared library"; exit 77; }
command -v "${PKG_CONFIG%% *}" >/dev/null || { echo "no pkg-config"; exit 77; }

work=$(mktemp -d) || exit 1
name=first-try
ours=$name-${work##*.}
started=
clean_up() {
    for pid in $started; do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$work" "/dev/shm/$ours"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR

fail() {
    echo "$*"
    exit 1
}
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "failed: $*"; }; }

# ---- Installing

sessions "$readme" "$work" >/dev/null # 1 installs, 2 is for each terminal, 3 compiles
install_from_a_clone() {
    HOME=$work
    export HOME
    quietly git clone "$srcdir" clone
    commands session-1 >install.sh
    (cd clone && quietly sh -e ../install.sh) || exit 1
    commands session-2 >exports.sh
    . ./exports.sh
}
install_what_is_built() {
    to=$work/to
    (cd "$build" && quietly $MAKE install DESTDIR="$to") || exit 1
    PATH=$to$bindir:$PATH LD_LIBRARY_PATH=$to$libdir PKG_CONFIG_LIBDIR=$to$libdir/pkgconfig
    PKG_CONFIG_SYSROOT_DIR=$to PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
    export PATH LD_LIBRARY_PATH PKG_CONFIG_LIBDIR
    export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS
}
cd "$work" || exit 1
if [ "${MPSC_README-}" = clone ]; then
    install_from_a_clone
else
    install_what_is_built
fi

# ---- Compiling

listings "$readme" .
commands session-3 >compile.sh
quietly sh -e compile.sh
awk '/^```c$/ { inside = !done; next } /^```/ { done = done || inside; inside = 0 } inside' "$readme" >ten.c
quietly $CC ten.c $($PKG_CONFIG --cflags --libs mpsc) -o ten
[ "$(./ten)" = 42 ] || fail "the program of ten lines does not print 42"

# ---- The session

say() { printf '%s\n' "$2" | sed "s/$ours/$name/g; s/^/$1  /; s/ *\$//" >>transcript; }
await() {
    while ! "$@"; do
        [ "$(date +%s)" -lt $deadline ] || { cat transcript out; fail "not in time: $*"; }
        sleep 0.05
    done
}
has_the_channel() { mpsc-inspect show "$ours" 2>/dev/null | grep -qw "$1"; }
# What terminal 1 prints is in `out`; a line there is waited for.
hears() {
    await grep -qs "$1" out
    say 1 "$(grep "$1" out)"
}
types() {
    say 2 "$1"
    echo "$1" >&3
}
receives() {
    say 1 "\$ ./print_lines $name"
    ./print_lines "$ours" >out 2>&1 3>&- &
    receiver=$!
    started="$started $receiver"
    await has_the_channel $receiver
}

# Numbers, and how long they take to write, are not compared.
masked() {
    sed 's/[0-9][0-9.]*/N/g; s/N \(ns\|us\|µs\|ms\|s\|min\|h\)\>/N t/g; s/N t\( N t\)*/N t/g; s/  *\( \|$\)/\1/g' "$1"
}
session_of_readme() { awk '/^```/ { inside = 0 } inside { print } $0 == "```terminals" { inside = 1 }' "$readme"; }
session_of_readme >expected
masked expected >expected.masked

# What mpsc-inspect says, once it looks as in the README; or what it said at last, after some seconds.
looks() {
    say 3 "\$ mpsc-inspect show $name"
    cp transcript before
    until=$(($(date +%s) + 10))
    while :; do
        cp before transcript
        say 3 "$(mpsc-inspect show "$ours" 2>&1)"
        masked transcript >masked
        head -n "$(wc -l <masked)" expected.masked | cmp -s - masked && return
        [ "$(date +%s)" -lt $until ] || return
        sleep 0.1
    done
}

deadline=$(($(date +%s) + 120))
: >transcript
mkfifo input
receives
say 2 "\$ ./send_lines $name"
./send_lines "$ours" <input >sender 2>&1 &
sender=$!
started="$started $sender"
exec 3>input
types one
hears one
types two
hears two
looks
say 3 "\$ kill -9 $receiver"
kill -KILL $receiver
wait $receiver 2>/dev/null
say 1 Killed
looks
receives
types three
hears three
say 2 '^D'
exec 3>&-
wait $sender || fail "send_lines failed: $(cat sender)"
say 2 "$(cat sender)"
wait $receiver || fail "print_lines failed: $(cat out)"
hears print_lines:
looks

if [ "${1-}" = --update ]; then
    awk '
        /^```/ { inside = 0 }
        !inside { print }
        $0 == "```terminals" { inside = 1; while ((getline line <"transcript") > 0) print line }' \
        "$readme" >updated && cp updated "$readme"
    exit
fi
masked transcript >transcript.masked
if ! cmp -s expected.masked transcript.masked; then
    echo "The session of README.md shows (<) what is not so (>). If it was meant: check-readme.sh --update"
    diff expected.masked transcript.masked
    exit 1
fi
echo "the first try goes as README.md says"
