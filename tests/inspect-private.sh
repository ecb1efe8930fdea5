#!/bin/sh
# SPDX-License-Identifier: MIT
# mpsc-inspect finds channels that have no name, among the files that processes have open.
set -u

: "${srcdir:=.}"
prefix=inspect-private-sh-$$
. "$srcdir/tests/inspect-common.sh"
name=$prefix-named

# The file of a channel that a process has open, and its inode.
descriptor_of() {
    for descriptor in /proc/"$1"/fd/*; do
        case $(readlink "$descriptor") in
        "$folder"/*)
            echo "$descriptor"
            return
            ;;
        esac
    done
}
inode_of() {
    descriptor=$(descriptor_of "$1")
    [ -z "$descriptor" ] || stat -L -c %i "$descriptor"
}

# Has a file open half the time.
come_and_go() {
    while :; do
        { : "$(:)"; } 3<"$1"
        : "$(:)"
    done
}

# many_times COMMAND CONDITION...: so each time.
many_times() {
    left=${MPSC_TEST_SCALE:-20}
    command=$1
    shift
    while [ "$left" -gt 0 ]; do
        left=$((left - 1))
        # shellcheck disable=SC2086
        run $command && "$@" || return 1
    done
}

start_peer 1 - 8
# shellcheck disable=SC2154
inode=$(inode_of "$peer1")
[ -n "$inode" ] || skip "/proc does not show what processes have open"
ask 1 "many 3"

run list
check "list has a private channel, by its inode" \
    says "^private/$inode  *bounded  *3/8 .*  1  *$peer1 (inspect_peer) .* ok\$"
check "list is no error" status_is 0
run show "private/$inode"
check "show tells that it is private" says '^linked  *no (it is private)$'
check "show tells who has it" says "^sender  *$peer1  *inspect_peer  *alive  *3 "
check "show is no error" status_is 0
run peek "private/$inode"
check "peek shows what is queued in it" lines 3 '^message [123]$'
run check "private/$inode"
check "check finds it sound" says "^private/$inode: sound\$"
run gc --dry-run "private/$inode"
check "gc would not touch it" says "^private/$inode: kept: it is in use\$"

# ---- What others do to it shows

kill -STOP "$peer1"
run show "private/$inode"
wait_for "a stopped receiver is in the verdict" "show private/$inode" \
    says "^3 messages wait: the receiver, pid $peer1 (inspect_peer), is stopped\$"
check "and the channel is stalled" says '^state  *stalled$'
kill -CONT "$peer1"
tell 1 "many 100"
wait_for "one that sends to itself is stalled by itself" "show private/$inode" \
    says "^full for .*: the receiver, pid $peer1 (inspect_peer), is alive and takes none\$"
wait_for "and is called so after a second" "show private/$inode" says '^state  *stalled$'

# ---- A name that was removed

start_peer 2 "$name" 8
# shellcheck disable=SC2154
removed=$(inode_of "$peer2")
run list
check "a channel with a name is listed by it alone" lines 0 "/$removed "
check "and once" lines 1 "^$name "
rm "$folder/$name"
run list
check "without it, by its inode" says "^removed/$removed  *bounded"
run show "removed/$removed"
check "show tells its former name" says "^made as  *$name\$"
check "and that it was removed" says '^linked  *no (the name was removed)$'

# ---- Descriptors that are closed, and processes that have it still

start_peer 3 - 8
# shellcheck disable=SC2154
inode=$(inode_of "$peer3")

# The first process that has it, by its number, is this one; others then have it still.
exec 3<"$(descriptor_of "$peer3")"
: >"$tmp/watched"
LC_ALL=C $inspect watch --interval 0.05 "private/$inode" >"$tmp/watched" 2>"$tmp/err" 3<&- &
watcher=$!
started="$started $watcher"
watched() { cp "$tmp/watched" "$tmp/out" && says "$1"; }
check "watch shows a private channel" in_time watched '^queued  *0$'
exec 3<&-
ask 3 'send more'
check "and goes on when a process has left it to others" in_time watched '^queued  *1$'
kill $watcher

ask 3 closefrom
mapped=
for file in /proc/"$peer3"/map_files/*; do
    if [ -e "$file" ] && [ "$(stat -L -c %i "$file")" = "$inode" ]; then
        mapped=$file
    fi
done
if [ -n "$mapped" ]; then
    run list
    check "one that is only mapped is listed" says "^private/$inode  *bounded"
    run show "private/$inode"
    check "and shown" says "^sender  *$peer3  *inspect_peer"
    # Whoever has it as a descriptor is found before, and may end before one looks.
    come_and_go "$mapped" &
    passers=$!
    started="$started $passers"
    check "others that come and go do not hide it" many_times list says "^private/$inode "
    check "from whoever asks for it neither" \
        many_times "show private/$inode" says "^sender  *$peer3  *inspect_peer"
    kill $passers
fi

# ---- Maps that cannot be read in time

# Who reads them, a child of list, is stopped as soon as it is there, if it is seen before it ends.
stops_its_child() {
    $inspect list --names >"$tmp/out" 2>"$tmp/err" &
    lister=$!
    started="$started $lister"
    child=
    # One that has ended has none; the line has no end, which read tells as a failure.
    while [ -z "$child" ] && [ -e "/proc/$lister/exe" ]; do
        read -r child <"/proc/$lister/task/$lister/children"
    done 2>/dev/null
    [ -z "$child" ] || kill -STOP "$child" 2>/dev/null
    wait $lister
    status=$?
    complains 'may be incomplete'
}
is_whole() {
    run list --names
    status_is 0 && ! complains 'may be incomplete'
}
check "list is silent where all maps were read" in_time is_whole
if [ -r /proc/$$/task/$$/children ]; then
    check "list tells that it may be incomplete" in_time stops_its_child
    check "in one line" [ "$(grep -c 'may be incomplete' "$tmp/err")" -eq 1 ]
    check "with what it has" says "^removed/$removed\$"
    check "and that is no error" status_is 0
fi

# ---- One that is damaged: nothing in the folder is to be removed

cp "$(descriptor_of "$peer2")" "$folder/$prefix-hurt"
truncate -s 5000 "$folder/$prefix-hurt"
exec 3<"$folder/$prefix-hurt"
hurt=$(stat -c %i "$folder/$prefix-hurt")
run show "$prefix-hurt"
check "of a damaged one with a name it is told how to remove it" ends 1 "rm $folder/$prefix-hurt"
rm "$folder/$prefix-hurt"
run show "removed/$hurt"
check "of one without, what is wrong" ends 1 'is damaged: '
check "and nothing that cannot be done" [ "$(grep -c 'rm /' "$tmp/err")" -eq 0 ]
exec 3<&-

# ---- One that has gone

# Sleeping it has looked once, and is to look again.
sleeps() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat")" = S ]; }
calls_it() { complains "^mpsc-inspect: no channel '$1';"; }
$inspect show --interval 2 "removed/$removed" >"$tmp/out" 2>"$tmp/err" &
looker=$!
started="$started $looker"
in_time sleeps $looker
kill -KILL "$peer2"
wait "$peer2" 2>/dev/null
wait $looker
status=$?
check "show names one that goes meanwhile as it was asked for" calls_it "removed/$removed"
check "with its status" status_is 1
run show "removed/$removed"
check "one that has gone is told" ends 1 "no process .* has 'removed/$removed' open"
run show "private/x"
check "what cannot be a name is told" ends 2 'no name of a channel'

[ $failed -eq 0 ] || exit 1
[ -n "$mapped" ] || skip "this user may not open what is only mapped; the rest is so"
