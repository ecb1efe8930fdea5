# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of mpsc-inspect share: sourced by them, with $prefix set as for tools-common.sh. A condition
# that has to come is waited for until the deadline.

limit_seconds=60
. "$srcdir/tests/tools-common.sh"
peer=./tests/inspect_peer
deadline=$(($(date +%s) + 120))
[ -x $peer ] || skip "$peer is not there"
[ -r /proc/$$/stat ] || skip "/proc is not there"

run() {
    $limit $inspect "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
}

# The same as another user, where that can be.
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
# A list of words.
# shellcheck disable=SC2086
can_be_nobody() { [ "$(id -u)" -eq 0 ] && $nobody $inspect --version >/dev/null 2>&1; }
# shellcheck disable=SC2086
as_nobody() {
    $limit $nobody $inspect "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
}

says() { grep -q -e "$1" "$tmp/out"; }
# Lines that match.
lines() { [ "$(grep -c -e "$2" "$tmp/out")" -eq "$1" ]; }

# wait_for WHAT COMMAND CONDITION...: runs mpsc-inspect COMMAND until it says so.
wait_for() {
    what=$1
    command=$2
    shift 2
    # COMMAND is a list of words.
    # shellcheck disable=SC2086
    while run $command && ! "$@"; do
        if [ "$(date +%s)" -ge $deadline ]; then
            check "$what, in time" false
            exit 1
        fi
        sleep 0.05
    done
    echo "ok: $what"
}

# in_time CONDITION...: until it is so; false when the deadline has come.
in_time() {
    until "$@"; do
        [ "$(date +%s)" -lt $deadline ] || return 1
        sleep 0.05
    done
}

# damaged WHAT OFFSET: a byte of a copy is set.
damaged() {
    cp "$folder/$name" "$folder/$prefix-$1"
    printf '\377' | dd of="$folder/$prefix-$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# ---- Processes that have a channel: peers are numbered 1 to 3

# peer NUMBER ARGUMENT...: starts tests/inspect_peer.
start_peer() {
    number=$1
    shift
    mkfifo "$tmp/to$number" "$tmp/from$number"
    $peer "$@" <"$tmp/to$number" >"$tmp/from$number" &
    pid=$!
    started="$started $pid"
    eval "peer$number=$pid"
    case $number in
    1) exec 4>"$tmp/to1" 5<"$tmp/from1" ;;
    2) exec 6>"$tmp/to2" 7<"$tmp/from2" ;;
    3) exec 8>"$tmp/to3" 9<"$tmp/from3" ;;
    esac
    answer "$number"
}

# Tells a peer to do something, and does not wait.
tell() {
    case $1 in
    1) echo "$2" >&4 ;;
    2) echo "$2" >&6 ;;
    3) echo "$2" >&8 ;;
    esac
}

# Until it says that it is done.
answer() {
    while :; do
        case $1 in
        1) read -r said <&5 ;;
        2) read -r said <&7 ;;
        3) read -r said <&9 ;;
        esac || {
            echo "NOT so: peer $1 is there"
            exit 1
        }
        [ "$said" = done ] && return
    done
}

ask() {
    tell "$1" "$2"
    answer "$1"
}
