#!/bin/sh
# SPDX-License-Identifier: MIT
# mpsc-inspect check tells a sound channel from a damaged one, and what is wrong; gc removes what is
# orphaned and nothing else; and who is stopped over the removal of a name is named.
#
# Other tests have channels too, orphans among them: what is removed here is always named.
set -u

: "${srcdir:=.}"
prefix=inspect-check-sh-$$
. "$srcdir/tests/inspect-common.sh"
name=$prefix-used

start_peer 1 "$name" 8
ask 1 "many 3"
run check "$name"
check "a sound channel is sound" says "^$name: sound\$"
check "and the status says so" status_is 0

# The numbers are those of doc/segment-format.md.
damaged checksum 20
damaged version 8
head -c 100 "$folder/$name" >"$folder/$prefix-cut"
head -c 4096 "$folder/$name" >"$folder/$prefix-short"
truncate -s "$(stat -c %s "$folder/$name")" "$folder/$prefix-empty"
head -c 4096 "$folder/$name" | dd of="$folder/$prefix-empty" conv=notrunc 2>/dev/null
echo text >"$folder/$prefix-text"

# The stamp of the first message gets one bit more of a length: 256 and some, where 256 is all there is
# room for. The ring is at the end of the file: a page with the stamps, and one with the cells.
page=$(getconf PAGESIZE)
cp "$folder/$name" "$folder/$prefix-stamp"
printf '\011' | dd of="$folder/$prefix-stamp" bs=1 conv=notrunc \
    seek=$(($(stat -c %s "$folder/$name") - 2 * page + 1)) 2>/dev/null
run check "$prefix-stamp"
check "a damaged stamp is told" says "^$prefix-stamp: damaged: a message's stamp"
run check "$prefix-checksum"
check "a flipped bit is told" says "^$prefix-checksum: damaged: .*checksum"
check "and its status is 1" status_is 1
run check "$prefix-cut"
check "one that is cut short is told" says "^$prefix-cut: damaged: it is too short"
run check "$prefix-short"
check "and what is missing" says "^$prefix-short: damaged: it is not as large as it says"
run check "$prefix-empty"
check "memory that is not there is told" says "^$prefix-empty: damaged: it lacks memory"
run check "$name" "$prefix-cut"
check "one damaged among several is status 1" status_is 1
run check "$prefix-version"
check "another version cannot be checked" says "^$prefix-version: unknown: it has another format"
check "and its status is 2" status_is 2
for kind in text none; do
    run check "$prefix-$kind"
    check "what is no channel ($kind) is status 2" status_is 2
done
run check
check "without a name all are checked" says "^$name: sound\$"
check "the damaged too" says "^$prefix-checksum: damaged"
run show "$prefix-checksum"
check "show tells what is wrong as well" ends 1 'damaged: .*checksum'

# ---- gc

run gc "$name"
check "gc keeps what is in use" says "^$name: kept: it is in use\$"
check "which was asked for, and so is status 2" status_is 2
run gc "$prefix-checksum"
check "gc keeps what is damaged" says "^$prefix-checksum: kept: it is damaged"

cp "$folder/$name" "$folder/$prefix-copy"
run gc "$prefix-copy"
check "gc keeps a copy, whose users cannot be seen" says "^$prefix-copy: kept: it was made under another name"

kill -STOP "$peer1"
run gc "$name"
check "gc keeps what a stopped process has open" says "^$name: kept: it is in use\$"
kill -CONT "$peer1"
kill -KILL "$peer1"
wait "$peer1" 2>/dev/null

# ---- One that is stopped over the removal of a name: all who would remove it wait

start_peer 3 - 8 # first: it would keep the other's input open
start_peer 2 "$prefix-durable" 8 durable
ask 2 "many 3"
ask 3 "hold $folder/$name"
ask 3 "hold $folder/$prefix-durable"
# shellcheck disable=SC2154
kill -STOP "$peer3"
remover="pid $peer3 (inspect_peer), about to remove its name, is stopped"
wait_for "show names who is stopped over removing an orphan, and who waits" "show $name" \
    says "^orphaned: .* 3 messages queued; who opens or unlinks it waits: $remover\$"
check "and tells what that one holds" \
    says "^ *$peer3  *inspect_peer  *stopped  *the name: about to remove it  *who opens or unlinks it\$"
check "and is no error" status_is 0
for options in '' --dry-run; do
    # There may be none.
    # shellcheck disable=SC2086
    run gc $options "$name"
    check "gc $options keeps it, and names that one" says "^$name: kept: $remover\$"
    check "which is status 2" status_is 2
done
check "it is there" [ -e "$folder/$name" ]
if can_be_nobody; then
    chmod 0644 "$folder/$name"
    as_nobody show "$name"
    check "who may not look into that one is told so" says \
        '^orphaned: .* waits: another process, which this user may not look into, is about to remove its name$'
    chmod 0600 "$folder/$name"
fi
run show "$prefix-durable"
check "show names it of a channel in use" says "^3 messages wait: .*; who unlinks it waits: $remover\$"
check "which is stalled" says '^state  *stalled$'
exec 6>&-
# shellcheck disable=SC2154
wait "$peer2"
run show "$prefix-durable"
check "and of one that is idle" says "^idle: .*; who unlinks it waits: $remover\$"
check "which it stays" says '^state  *idle$'
kill -CONT "$peer3"
wait_for "show names one that is not stopped too" "show $name" \
    says "^orphaned: .* waits: pid $peer3 (inspect_peer), about to remove its name, is alive\$"

kill -KILL "$peer3"
wait "$peer3" 2>/dev/null
run show "$name"
check "show does not name who was killed" says '^orphaned: .* queued; the next to open it starts afresh'
check "nor does it tell of who waits" lines 0 waits

# ---- What is orphaned goes

run gc --dry-run
check "--dry-run tells what would go" says "^$name: would be removed\$"
check "and is no error" status_is 0
check "and removes nothing" [ -e "$folder/$name" ]
run gc "$name"
check "gc removes an orphan" says "^$name: removed\$"
check "and is no error" status_is 0
check "and it is gone" [ ! -e "$folder/$name" ]

run gc --dry-run
check "gc without a name keeps a durable channel" says "^$prefix-durable: kept: it is durable"
run gc --dry-run "$prefix-durable"
check "by its name it would go" says "^$prefix-durable: would be removed\$"
run gc "$prefix-durable"
check "and goes" says "^$prefix-durable: removed\$"
check "it is gone" [ ! -e "$folder/$prefix-durable" ]
run gc "$prefix-durable"
check "what is not there is status 2" status_is 2
check "and is not said to be kept" says "^$prefix-durable: unknown: there is no channel of that name\$"
run gc "$prefix-text"
check "gc tells what is no channel" says "^$prefix-text: unknown: it is not a channel\$"

[ $failed -eq 0 ] || exit 1
