# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of the tools share: sourced by them, with $prefix set, which all names in /dev/shm begin
# with, and $limit_seconds, after which one call in the foreground is ended with status 124.

inspect=./tools/mpsc-inspect
folder=/dev/shm

skip() {
    echo "skipped: $*"
    exit 77
}
[ -x $inspect ] || skip "$inspect is not there"
cat=./tools/mpsc-cat
[ -x $cat ] || skip "$cat is not there"
# What libtool's script in its place begins, which takes a quarter of the time.
if [ -x ./tools/.libs/mpsc-cat ]; then
    cat=./tools/.libs/mpsc-cat
    LD_LIBRARY_PATH=$(pwd)/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi
[ -w $folder ] || skip "$folder cannot be written"

tmp=$(mktemp -d) || exit 1
started= # processes to end, whatever happens
clean_up() {
    for pid in $started; do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$tmp" "$folder/${prefix:?}"*
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# ---- What is run and checked

limit=
if command -v timeout >/dev/null; then
    limit="timeout -k 5 ${limit_seconds:?}"
fi

# What was run last: its output is in $tmp/out and $tmp/err.
status=0
: >"$tmp/out"
: >"$tmp/err"

failed=0
check() {
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
        return
    fi
    echo "NOT so: $what"
    echo "    status $status; output, and errors:"
    sed 's/^/    /' "$tmp/out" "$tmp/err"
    failed=1
}

status_is() { [ "$status" -eq "$1" ]; }
complains() { grep -q -e "$1" "$tmp/err"; }
ends() { status_is "$1" && complains "$2"; }

# The Python that has a module, in $python; empty: none. The system's first: others may be scripts that look for one.
find_python() {
    for python in /usr/bin/python3 python3; do
        if $python -c "import $1" 2>/dev/null; then
            return
        fi
    done
    python=
}
