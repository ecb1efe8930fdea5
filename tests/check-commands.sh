#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands of the tools and the examples, as README.md and the manual pages have them, run and succeed.
# (The sessions of README.md and of the tutorial: check-readme.sh, check-tutorial.sh.)
#
# They have names that anybody may use, and one removes what others left: they run in a /dev/shm of their own.
set -u

: "${srcdir:=.}"
srcdir=$(cd "$srcdir" && pwd)
[ -x ./tools/mpsc-cat ] || { echo "./tools/mpsc-cat is not there"; exit 77; }

if [ "${1-}" != inside ]; then
    user=$([ "$(id -u)" -eq 0 ] || echo --map-root-user)
    # shellcheck disable=SC2086
    unshare $user --mount true 2>/dev/null || { echo "no mount namespace is to be had here"; exit 77; }
    # shellcheck disable=SC2086
    exec unshare $user --mount "${SHELL:-sh}" "$0" inside
fi
mount -t tmpfs tmpfs /dev/shm || exit 77

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
build=$(pwd)
PATH=$build/tools:$PATH
export PATH

# ---- What they say

# Commands that are indented as code, one a line, without the remarks behind them.
of_markdown() {
    sed -n 's/^    \(\(for [a-z]* in.*\)\{0,1\}\(mpsc-\|build\/default\/examples\/\)\)/\1/p' "$1" | sed 's/  *# .*//'
}
# The displays of EXAMPLES; one of several lines is made one.
of_manual() {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$1" | awk '
        /^\.Dl / { print substr($0, 5) }
        /^\.Ed/ { inside = 0 }
        inside { gsub(/\\e/, "\\"); gsub(/\\&/, ""); printf "%s%s", $0, /do$|&$/ ? " " : "\n" }
        /^\.Bd/ { inside = 1 }'
}

{
    of_markdown "$srcdir/README.md"
    of_manual "$srcdir/doc/man/mpsc-inspect.1"
    of_manual "$srcdir/doc/man/mpsc-cat.1"
} >"$work/commands"

# ---- They are run

# What they speak of.
arrange() {
    for name in jobs log files; do
        seq 100 | mpsc-cat --send $name --durable || exit 1
    done
    rm /dev/shm/files
    mkdir "$work/here" && cd "$work/here" && echo three words here >file
}
leave_an_orphan() {
    mpsc-cat --send orphan </dev/zero &
    until mpsc-inspect check orphan >/dev/null 2>&1; do
        sleep 0.05
    done
    kill -KILL $!
    wait $! 2>/dev/null
}

# succeeds COMMAND SECONDS STATUS: it is ended after so long.
succeeds() {
    timeout -k 5 "$2" sh -c "$1" </dev/null >"$work/said" 2>&1
    status=$?
    [ $status -eq "$3" ] && return 0
    complain "$1: status $status, not $3"
}
complain() {
    echo "$1"
    head -n 30 "$work/said" | sed 's/^/    /'
    failed=1
}

failed=0
count=0
arrange
while read -r command; do
    count=$((count + 1))
    # (There is less to count in the folder below; script/demo counts all.)
    run=$(echo "$command" | sed "s,build/default/,$build/,; s/ NAME/ jobs/; s,/usr/include$,/usr/include/linux,")
    case $command in
    *--receive\ numbers*)
        case $command in *--follow*) seq 10000 | mpsc-cat --send numbers & ;; esac
        succeeds "$run" 60 0
        wait
        # They went to a file, or were counted, or are what was said.
        [ ! -e sorted ] || mv sorted "$work/said"
        [ "$(wc -l <"$work/said")" -eq 10000 ] || grep -qx 10000 "$work/said" ||
            complain "$command: not every message came"
        ;;
    *watch* | *--follow*) succeeds "$run" 1 124 ;; # they go on
    "mpsc-inspect gc")
        leave_an_orphan
        succeeds "$run" 60 0
        [ ! -e /dev/shm/orphan ] || complain "$command: an orphan is left"
        [ -e /dev/shm/log ] || complain "$command: a durable channel is gone"
        ;;
    *) succeeds "$run" 60 0 ;;
    esac
done <"$work/commands"

[ $count -ge 20 ] || { echo "$count commands: they are not where they were looked for"; failed=1; }
[ $failed -ne 0 ] || echo "$count commands"
exit $failed
