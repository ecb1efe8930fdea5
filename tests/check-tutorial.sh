#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs of doc/tutorial.md compile, and print what it shows. `check-tutorial.sh --update`, in a
# directory of the build, writes what they print into the tutorial.
#
# $CC is a list of words.
# shellcheck disable=SC2086
set -u

: "${srcdir:=.}" "${CC:=cc}" "${SANITIZER_FLAGS=}"
. "$srcdir/tests/markdown.sh"
tutorial=$srcdir/doc/tutorial.md
library=$(pwd)/.libs
channel='tutorial-jobs'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "/dev/shm/$channel-${work##*.}"' EXIT
trap 'exit 1' HUP INT TERM

[ -e "$library/libmpsc.so" ] || { echo "no shared library"; exit 77; }
LD_LIBRARY_PATH=$library
export LD_LIBRARY_PATH

# Its channel gets a name of this run's, for others may run at the same time.
mine() { sed "s/$channel/$channel-${work##*.}/g" "$1"; }
theirs() { sed "s/$channel-${work##*.}/$channel/g"; }

listings "$tutorial" "$work"
count=0
for program in "$work"/*.c; do
    count=$((count + 1))
    $CC -std=gnu11 -Wall -Wextra -Werror $SANITIZER_FLAGS -I"$srcdir/include" "$program" \
        -o "${program%.c}" -L"$library" -lmpsc -pthread || exit 1
done

number=$(sessions "$tutorial" "$work")
if [ "$count" -eq 0 ] || [ "$number" -eq 0 ]; then
    echo "doc/tutorial.md has $count programs and $number sessions"
    exit 1
fi
result=0
i=1
while [ $i -le "$number" ]; do
    mine "$work/session-$i" >"$work/mine"
    (cd "$work" && play mine) | theirs >"$work/played-$i"
    if ! diff "$work/session-$i" "$work/played-$i" >"$work/difference"; then
        echo "session $i of doc/tutorial.md shows (<) what is not so (>):"
        cat "$work/difference"
        result=1
    fi
    i=$((i + 1))
done
if [ "${1-}" = --update ]; then
    with_sessions "$tutorial" "$work" >"$work/tutorial" && cp "$work/tutorial" "$tutorial"
    exit
fi
[ $result -eq 0 ] && echo "$count programs, $number sessions"
exit $result
