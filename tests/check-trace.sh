#!/bin/sh
# SPDX-License-Identifier: MIT
# The library's probes for tracers are there, with their arguments; the scripts that are installed ask
# for no others, and where bpftrace may run they tell what is so.
#
# $CC and the flags are lists of words.
# shellcheck disable=SC2086,SC2317
set -u

: "${srcdir:=.}" "${CC:=cc}" "${enable_trace:=yes}"
library=.libs/libmpsc.so.0
# As in lib/os/trace.h: each probe, and how many arguments it has.
probes='send 3 receive 3 block 3 wake 3 hole 2 takeover 3 grow 3'

skip() {
    echo "skipped: $*"
    exit 77
}
[ "$enable_trace" = yes ] || skip "built without probes (sys/sdt.h, Debian: systemtap-sdt-dev)"
[ -e $library ] || skip "there is no shared library"
command -v readelf >/dev/null || skip "there is no readelf"

tmp=$(mktemp -d) || exit 1
name=check-trace-$$
tracer=
clean_up() {
    [ -z "$tracer" ] || kill -KILL "$tracer" 2>/dev/null
    rm -rf "$tmp" "/dev/shm/${name:?}"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

failed=0
complain() {
    echo "NOT so: $*"
    failed=1
}

# ---- The library's notes: "name arguments", each kind once

readelf -nW $library 2>/dev/null | awk '
    /Provider:/ { provider = $NF }
    $1 == "Name:" { name = $2 }
    $1 == "Arguments:" && provider == "mpsc" { print name, NF - 1 }' | sort -u >"$tmp/notes"
# A list of words.
printf '%s %s\n' $probes | sort >"$tmp/expected"
if cmp -s "$tmp/notes" "$tmp/expected"; then
    echo "ok: the library has each probe with its arguments"
else
    complain "the library has other probes, or arguments, than are expected (< expected, > found)"
    diff "$tmp/expected" "$tmp/notes"
fi

# ---- The scripts' probes and arguments

for script in "$srcdir"/tools/trace/*.bt.in; do
    awk -v probes="$probes" '
        BEGIN {
            n = split(probes, word, " ")
            for (i = 1; i < n; i += 2)
                arguments[word[i]] = word[i + 1]
        }
        /^[a-zA-Z]/ { probe = "" }
        /^usdt:/ {
            used++
            if ($0 !~ /^usdt:@libdir@\/libmpsc\.so\.0:mpsc:[a-z]*$/) {
                print "not a probe of ours: " $0
                bad = 1
            }
            probe = $0
            sub(/.*:/, "", probe)
            if (!(probe in arguments)) {
                print "no such probe: " probe
                bad = 1
            }
        }
        {
            line = $0
            while (match(line, /arg[0-9]+/)) {
                if (substr(line, RSTART + 3, RLENGTH - 3) + 0 >= arguments[probe] + 0) {
                    print "\"" probe "\" has no " substr(line, RSTART, RLENGTH)
                    bad = 1
                }
                line = substr(line, RSTART + RLENGTH)
            }
        }
        END { exit bad || !used }' "$script" || complain "${script##*/} asks for what is not there"
done
[ $failed -ne 0 ] || echo "ok: the scripts ask for what is there"

# They read a channel's name behind the 64 bytes that come before it.
cat >"$tmp/offset.c" <<'END'
#include "layout.h"
_Static_assert(offsetof(struct header, identity.name) == 64, "where the name lies");
END
if $CC -std=c11 -include config.h -iquote "$srcdir/lib" -I"$srcdir/include" -fsyntax-only \
    "$tmp/offset.c"; then
    echo "ok: a channel's name is where the scripts read it"
else
    complain "a channel's name is not where the scripts read it"
fi

# ---- The scripts at work

[ $failed -eq 0 ] || exit 1
if ! command -v bpftrace >/dev/null; then
    skip "the scripts at work (no bpftrace); the rest is so"
elif ! bpftrace -e 'BEGIN { exit(); }' >/dev/null 2>&1; then
    skip "the scripts at work (bpftrace is not permitted here); the rest is so"
fi

cat=./tools/mpsc-cat
deadline=$(($(date +%s) + 150))

# Something for each script to tell.
traffic_rate() { seq 100 | $cat --send "$name" --durable; }
traffic_sizes() { traffic_rate; }
traffic_growth() { seq 1000 | $cat --send "$name" --durable; }
traffic_blocked() { $cat --receive "$name" --durable --timeout 0.1 >/dev/null; }
traffic_deaths() {
    : >"$tmp/received"
    $cat --receive "$name" --durable >"$tmp/received" &
    victim=$!
    echo one | $cat --send "$name" --durable
    until [ -s "$tmp/received" ]; do
        [ "$(date +%s)" -lt $deadline ] || break
        sleep 0.05
    done
    kill -KILL $victim
    wait $victim
    $cat --receive "$name" --timeout 0 >/dev/null
}

# Nothing says when a script has attached its probes: it is tried again, with more time for that.
tells() {
    script=$1
    sed "s|@libdir@|$PWD/.libs|" "$srcdir/tools/trace/$script.bt.in" >"$tmp/$script.bt"
    pause=1
    while [ "$(date +%s)" -lt $deadline ]; do
        bpftrace "$tmp/$script.bt" >"$tmp/$script.out" 2>&1 &
        tracer=$!
        sleep $pause
        "traffic_$script"
        sleep 1
        kill -INT $tracer
        wait $tracer
        tracer=
        rm -f "/dev/shm/$name"
        grep -q "$name" "$tmp/$script.out" && return
        pause=$((2 * pause))
    done
    return 1
}
for script in rate sizes growth blocked deaths; do
    if tells $script 2>"$tmp/err"; then
        echo "ok: $script.bt tells of the channel"
    else
        complain "$script.bt tells nothing of the channel"
        sed 's/^/    /' "$tmp/err" "$tmp/$script.out"
    fi
done
exit $failed
