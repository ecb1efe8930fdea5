#!/bin/sh
# SPDX-License-Identifier: MIT
# mpsc-inspect list and show tell what is so of a channel that is used, stuck, orphaned or damaged, name
# who has an end of it, and neither wait for nor change what they look at.
set -u

: "${srcdir:=.}"
prefix=inspect-sh-$$
. "$srcdir/tests/inspect-common.sh"

wordcount=./examples/wordcount
name=$prefix-used
[ -x $wordcount ] || skip "$wordcount is not there"

# ---- The command line

run --help
check "--help tells the commands" says 'list.*a line for each channel'
check "--help is no error" status_is 0
for command in list show watch peek check gc metrics; do
    run $command --help
    check "$command --help is about it" says "^Usage: mpsc-inspect $command"
    check "$command --help is no error" status_is 0
    run $command --no-such-option
    check "$command refuses an unknown option" ends 2 "mpsc-inspect $command --help"
done
run list --interval=soon
check "an option's senseless value is told" ends 2 "takes seconds from 0.01 to 86400, not 'soon'"
run --version
check "--version tells a version" says '^mpsc-inspect .*[0-9][0-9]*\.[0-9]'
check "--version is no error" status_is 0
run
check "no command is wrong usage" ends 2 'mpsc-inspect --help'
run watch-paint-dry
check "an unknown command is wrong usage" ends 2 "no command 'watch-paint-dry'"
run --no-such-option
check "an unknown option is wrong usage" ends 2 'mpsc-inspect --help'
run show
check "show without a name is wrong usage" ends 2 'name of a channel'
run show one two
check "show with two names is wrong usage" ends 2 "unexpected 'two'"
run show one/two
check "a name with a slash is wrong usage" ends 2 'no slash'
run show "$prefix-none"
check "an unknown name is told, and what to do" ends 1 'mpsc-inspect list'
if [ -w /dev/full ]; then
    $limit $inspect --help >/dev/full 2>"$tmp/err"
    status=$?
    check "output that cannot be written is an error" ends 2 'cannot write'
fi

$limit $inspect --help 2>"$tmp/err" >&-
status=$?
check "and so is one that is closed" ends 2 'cannot write'

# ---- A channel in use
#
# The parent has the receiver, two workers a sender each. There is so much to count (150 million
# words) that they are still at it when they are stopped.

mkdir "$tmp/words"
awk 'BEGIN { for (i = 0; i < 1500000; i++) print "word" i % 100 }' >"$tmp/words/0"
i=1
while [ $i -lt 100 ]; do
    ln "$tmp/words/0" "$tmp/words/$i"
    i=$((i + 1))
done
$wordcount --workers 2 --bound 8 --name "$name" "$tmp/words" >"$tmp/wordcount" 2>&1 &
parent=$!
started=$parent

used() {
    kill -0 $parent 2>/dev/null || {
        cat "$tmp/wordcount"
        exit 1
    }
    says '^senders  *2$' && says "^receiver pid  *$parent\$" && lines 2 '^sender .* alive '
}
wait_for "show tells of both senders and the receiver" "show $name" used
check "show is no error" status_is 0
check "show names the receiver's command and its seat" \
    says "^receiver  *$parent  *[a-z-]*wordcount?* .*  holds it\$"
check "show tells the bound" says '^bound  *8$'
check "show tells the size of messages" says '^message size  *64 bytes$'
check "show tells the kind" says '^kind  *bounded$'
run show "/$name"
check "a leading slash is allowed" says "^name  *$name\$"

kill -STOP $parent
wait_for "show names a stopped receiver" "show $name" \
    says "^receiver  *$parent  *[a-z-]*wordcount?*  *stopped"
wait_for "list tells that the channel is full, its kind, senders, receiver and state" list \
    says "^$name  *bounded  *8/8  *\[##########\]  *[0-9][0-9]*  *0  *2  *$parent ([a-z-]*wordcount?*)  *[0-9]* [a-z]*  *stalled\$"
check "list has a heading" \
    says '^NAME  *KIND  *QUEUED/BOUND  *FILL  *SENT  *RATE/s  *SENDERS  *RECEIVER  *AGE  *STATE$'
check "list is no error" status_is 0
wait_for "show tells who is blocked" "show $name" \
    lines 2 '^sender .* alive  *[0-9][0-9]*  *[0-9][0-9.]* [a-z]*  *room or a flush  *-$'
check "show's verdict names who is at fault" \
    says "^full for .*: the receiver, pid $parent ([a-z-]*wordcount?*), is stopped\$"
check "show calls that stalled" says '^state  *stalled$'
check "show counts what waits" says '^queued  *8$'

# ---- It changes nothing

workers=$(awk '$1 == "sender" { print $2 }' "$tmp/out")
started="$started $workers"
for pid in $workers; do
    kill -STOP "$pid"
done
wait_for "show names stopped senders" "show $name" lines 2 '^sender .* stopped '
cksum <"$folder/$name" >"$tmp/before"
run list
run show "$name"
cksum <"$folder/$name" >"$tmp/after"
check "looking changes no byte" cmp -s "$tmp/before" "$tmp/after"

# ---- All killed

for pid in $started; do
    kill -KILL "$pid"
done
wait $parent 2>/dev/null
wait_for "list tells that nobody is left" list says "^$name .*  8/8 .*  0  *-  .* orphaned\$"
run show "$name"
check "show tells it too" says '^state  *orphaned$'
check "show names the dead" lines 3 '^[a-z]*  *[0-9]*  *-  *dead '
check "an orphan is no error" status_is 0

# ---- A child that inherited an end, and never used it

start_peer 1 "$prefix-inherited" 4
# shellcheck disable=SC2154
holder=$peer1
run show "$prefix-inherited"
check "show names ends that were never used" lines 2 "^[a-z]*  *$holder .* alive  *never used "
ask 1 fork
ask 1 'send x'
ask 1 receive
run show "$prefix-inherited"
check "show tells an end that was used" lines 2 "^[a-z]*  *$holder .* alive  *1 "
check "show names who holds ends that it never used" lines 2 ' never used '
for end in sender receiver; do
    check "it names a child, by its pid and command ($end)" \
        says "^$end  *[1-9][0-9]*  *[a-z_-]*inspect_peer?*  *alive  *never used "
done

# ---- Other kinds, and what went wrong

start_peer 2 "$prefix-rendezvous" 0
run list
check "list tells a rendezvous" says "^$prefix-rendezvous  *rendezvous .* ok\$"
seq 3 | $cat --send "$prefix-unbounded" --durable
run list
check "list tells a durable channel without a bound, and that nobody is there" \
    says "^$prefix-unbounded  *unbounded, durable  *3/- .* 3  *0  *0  *-  .* idle\$"
start_peer 3 "$prefix-unlucky" 4 durable
ask 3 'send first'
ask 3 loan
run show "$prefix-unlucky"
check "show counts no bad luck before there is any" says '^holes  *0 '
check "nor that a seat was taken over" says '^takeovers  *0 '
# shellcheck disable=SC2154
kill -KILL "$peer3"
wait "$peer3" 2>/dev/null
echo last | $cat --send "$prefix-unlucky"
$cat --receive "$prefix-unlucky" --count 2 >"$tmp/received"
printf 'first\nlast\n' | cmp - "$tmp/received" || failed=1
run show "$prefix-unlucky"
check "show counts what the dead had claimed" says '^holes  *1 '
check "and a seat that was taken over" says '^takeovers  *1 '

# ---- Another user

if can_be_nobody; then
    as_nobody show "$prefix-unlucky"
    check "a channel of others is not to be read" ends 2 'this user may not read'
    as_nobody list
    check "list tells that there are such" ends 0 'may not be read by this user'
    chmod 0644 "$folder/$prefix-inherited"
    as_nobody show "$prefix-inherited"
    check "where it may be read it is shown" says '^kind  *bounded$'
    check "and is no error" status_is 0
    check "with the pid of who holds it" says "^receiver  *$holder "
fi

# ---- Damage, and what is no channel

damaged checksum 20
damaged version 8
head -c 100 "$folder/$name" >"$folder/$prefix-cut"
head -c 4096 "$folder/$name" >"$folder/$prefix-short"
escape=$(printf '\033')
cp "$folder/$name" "$folder/$prefix-${escape}[31mred"
echo 'not a channel' >"$folder/$prefix-text"
: >"$folder/$prefix-empty"
mkfifo "$folder/$prefix-fifo"
mkdir "$folder/$prefix-directory"
ln -s "$name" "$folder/$prefix-link"

run list
check "list goes on past damage" status_is 0
for kind in checksum cut short; do
    check "list tells of damage ($kind)" says "^$prefix-$kind .* damaged\$"
done
check "list tells of another version" says "^$prefix-version .* other version\$"
for kind in text empty fifo directory link; do
    check "list passes over what is no channel ($kind)" lines 0 "^$prefix-$kind"
done
check "list does so silently" [ "$(grep -c "$prefix" "$tmp/err")" -eq 0 ]
check "list has the channel of a wild name, tamed" says "^$prefix-?\\[31mred "
check "list lets no escape sequence out" lines 0 "$escape"

# Where there is no room for a copy of its tables, which take 5 MB. The program itself needs some.
# shellcheck disable=SC3045
room_is() { ulimit -v "$1"; }
room=2048
until (room_is $room && $inspect --version) >"$tmp/out" 2>&1 || [ $room -gt 65536 ]; do
    room=$((room + 512))
done
run_in_little_room() {
    (room_is $((room + 2048)) && exec $inspect "$@") >"$tmp/out" 2>"$tmp/err"
    status=$?
}
complaints() { [ "$(grep -c -e "cannot look at '$2'" "$tmp/err")" -eq "$1" ]; }
if [ $room -le 65536 ]; then
    for command in list metrics; do
        run_in_little_room $command
        check "$command complains once of what it cannot look at, and looks at twice" complaints 1 "$name"
        check "and has trouble" status_is 2
    done
    run_in_little_room list
    check "list has it" says "^$name .* unknown\$"
else # a sanitizer takes more than there is
    echo "skipped: what there is no room for"
fi

for kind in checksum cut short; do
    run show "$prefix-$kind"
    check "show tells of damage ($kind)" ends 1 'is damaged'
done
run show "$prefix-version"
check "show tells of another version" ends 2 'another format'
for kind in text empty fifo directory link; do
    run show "$prefix-$kind"
    check "show tells what is no channel ($kind)" ends 1 'is not a channel'
done
run show "$prefix-${escape}[31mred"
check "show tames a wild name" says "^name  *$prefix-?\\[31mred\$"

[ $failed -eq 0 ] || exit 1
