#!/bin/sh
# SPDX-License-Identifier: MIT
# mpsc-inspect peek shows what is queued and leaves it there, while messages are sent and taken too.
set -u

: "${srcdir:=.}"
prefix=inspect-peek-sh-$$
. "$srcdir/tests/inspect-common.sh"
name=$prefix-used

start_peer 1 "$name" 8
run peek "$name"
check "an empty channel has nothing to show" status_is 0
check "and nothing is printed" cmp -s "$tmp/out" /dev/null

ask 1 "send hello"
ask 1 "send a message that is longer than the thirty-two bytes of a cell"
ask 1 "number 7"
cksum <"$folder/$name" >"$tmp/before"
run peek "$name"
check "text is shown as text" says '^hello$'
check "a longer message is whole" says '^a message that is longer than the thirty-two bytes of a cell$'
check "what is no text is a hexdump" says '^00000000  07 00 00 00  *|\.\.\.\.|$'
check "peek is no error" status_is 0
cksum <"$folder/$name" >"$tmp/after"
check "peeking changes no byte" cmp -s "$tmp/before" "$tmp/after"
run peek -n 1 "$name"
check "-n limits their number" lines 1 ''
run peek --hex --count 1 "$name"
check "--hex shows all as a hexdump" says '^00000000  68 65 6c 6c 6f  *|hello|$'
run peek --bytes=10 "$name"
check "--bytes limits each" says '^a message \.\.\. and 50 more bytes$'
run peek "$prefix-none"
check "no channel is told" ends 1 'no channel'

ask 1 "take 3"
run peek "$name"
check "what was taken is not queued" cmp -s "$tmp/out" /dev/null

# ---- What is text
#
# A message ends with its line, or with a NUL, and may have any byte in it.

# queued FORMAT: these are, and nothing else.
queued() {
    rm -f "$folder/$name-text"
    # The format is the test's own.
    # shellcheck disable=SC2059
    printf "$1" | $cat --send "$name-text" --durable --null
}
queued 'line\n\0tab\there\n\0two\n\n\0\n'
run peek "$name-text"
check "a newline at the end is left out" says '^line$'
check "a tab in text stays one" says "^tab$(printf '\t')here\$"
check "of two newlines one alone is left out" says '^00000000  74 77 6f 0a 0a  *|two\.\.|$'
check "and a newline alone is an empty line" lines 1 '^$'
run peek --bytes 4 "$name-text"
check "of what is cut it is told how much" says '^line\.\.\. and 1 more byte$'
queued '\377\376 none\n'
run peek "$name-text"
check "what is not UTF-8 is a hexdump, whatever its end" says '^00000000  ff fe 20 6e 6f 6e 65 0a  *|'
printf '\0\0\0\004\377\376x\0\0\0\0\003ab\0' >"$tmp/ended"
rm "$folder/$name-text"
$cat --send "$name-text" --durable --length <"$tmp/ended"
run peek "$name-text"
check "a NUL at its end too" says '^00000000  ff fe 78 00  *|'
check "one at the end of text is left out" says '^ab$'
queued '\377\377\377\377\377\377\377\377 and\0euro \342\202\254 and'
run peek --bytes 8 "$name-text"
check "and what is cut" says '^00000000  ff ff ff ff ff ff ff ff  *|'
run peek --bytes 7 "$name-text"
check "of a character that is cut nothing is shown" says '^euro \.\.\. and 7 more bytes$'
rm "$folder/$name-text"
long=4194304
head -c $long /dev/zero | tr '\0' a | $cat --send "$name-text" --durable
run peek --bytes $long "$name-text"
check "a long text takes no longer than its length" [ "$(wc -c <"$tmp/out")" -eq $((long + 1)) ]
rm "$folder/$name-text"

# ---- Round the end of the ring: in its last cell of 32 bytes begins what takes two

start_peer 2 "$name-ring" 128
ask 2 "many 127"
ask 2 "take 127"
ask 2 "send and this one is longer than thirty-two bytes too"
ask 2 "many 2"
run peek "$name-ring"
check "a message that goes round the end of the ring is whole" \
    says '^and this one is longer than thirty-two bytes too$'
check "and so are those behind it" lines 2 '^message [12]$'

# ---- --follow

# follow OPTION...: begins to, and waits for the three messages that there are.
follow() {
    : >"$tmp/followed"
    $limit $inspect peek --follow "$@" "$name" >>"$tmp/followed" 2>"$tmp/err" &
    follower=$!
    started="$started $follower"
    while [ "$(wc -l <"$tmp/followed")" -lt 3 ] && [ "$(date +%s)" -lt $deadline ]; do
        sleep 0.05
    done
}

ask 1 "many 3"
follow --count 5
ask 1 "take 3"
ask 1 "many 2"
wait $follower
status=$?
cp "$tmp/followed" "$tmp/out"
check "--follow goes on with what is sent, up to -n" status_is 0
check "and shows each once" lines 5 '^message [123]$'
ask 1 "take 2"

ask 1 "many 3"
follow
kill -KILL "$peer1"
wait $follower
status=$?
cp "$tmp/followed" "$tmp/out"
check "--follow ends with the channel" status_is 0

queued 'one\0two\0'
$limit $inspect peek --follow "$name-text" >"$tmp/out" 2>"$tmp/err" &
follower=$!
started="$started $follower"
in_time lines 2 .
printf '\377' | dd of="$folder/$name-text" bs=1 conv=notrunc 2>/dev/null
wait $follower
status=$?
check "but not as if all were well where that is damaged" status_is 1
check "and says so" complains damaged
rm "$folder/$name-text"

# ---- While it is used as fast as it can be: no message is torn
#
# The peer's messages are those of the words of a text: whatever is shown is one of them. There are so many
# (150 million) that it is still at it when it is stopped.

wordcount=./examples/wordcount
[ -x $wordcount ] || skip "$wordcount is not there"
mkdir "$tmp/words"
awk 'BEGIN { for (i = 0; i < 100000; i++) { c = sprintf("%c", 97 + i % 26); word = c
    for (n = i % 30; n > 0; n--) word = word c
    print word } }' >"$tmp/lines"
i=0
while [ $i -lt 15 ]; do
    cat "$tmp/lines"
    i=$((i + 1))
done >"$tmp/words/0"
i=1
while [ $i -lt 100 ]; do
    ln "$tmp/words/0" "$tmp/words/$i"
    i=$((i + 1))
done
$wordcount --workers 2 --bound 8 --name "$name-fast" "$tmp/words" >/dev/null 2>&1 &
started="$started $!"
wait_for "a channel in use" list says "^$name-fast .* ok\$"
wait_for "list tells how many are sent a second" list \
    says "^$name-fast  *bounded  *[0-8]/8  *\[[#.]*\]  *[0-9][0-9]*  *[1-9][0-9.]*[kM]*  *2 "
run peek --follow --count 5000 "$name-fast"
check "peeking at a channel in use is no error" status_is 0
kill -KILL $!
check "some were seen" [ "$(wc -l <"$tmp/out")" -gt 0 ]
# A word is one letter, repeated.
grep -v -x -e '\([a-z]\)\1*' "$tmp/out" >"$tmp/torn"
check "and none was torn" cmp -s "$tmp/torn" /dev/null

[ $failed -eq 0 ] || exit 1
