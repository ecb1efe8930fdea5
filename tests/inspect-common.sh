# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the tests of mpsc-inspect share: sourced by them, with $prefix set, which all names in /dev/shm
# begin with. A condition that has to come is waited for until the deadline.

inspect=./tools/mpsc-inspect
peer=./tests/inspect_peer
folder=/dev/shm
deadline=$(($(date +%s) + 120))

skip() {
    echo "skipped: $*"
    exit 77
}
[ -x $inspect ] || skip "$inspect is not there"
[ -x $peer ] || skip "$peer is not there"
[ -w $folder ] || skip "$folder cannot be written"
[ -r /proc/$$/stat ] || skip "/proc is not there"

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
    limit='timeout -k 5 60'
fi

# Its output is in $tmp/out and $tmp/err; one that hangs is ended with status 124.
run() {
    $limit $inspect "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
}

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
says() { grep -q -e "$1" "$tmp/out"; }
complains() { grep -q -e "$1" "$tmp/err"; }
ends() { status_is "$1" && complains "$2"; }
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
