#!/bin/sh
# SPDX-License-Identifier: MIT
# mpsc-cat loses no message, whichever side starts first and whoever is killed, passes on each as it
# is, and says what went wrong: by its exit status and on standard error.
set -u

: "${srcdir:=.}"
name=cat-sh-$$
prefix=$name
limit_seconds=120
. "$srcdir/tests/tools-common.sh"

# In the foreground; input as it is.
run() {
    $limit $cat "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
}

# In the background; in subshells nobody ignores SIGINT.
begun() {
    last=$!
    started="$started $last"
}
# The end of a process, and how it ended.
end_of() {
    wait "$1"
    status=$?
}

same() { cmp -s "$1" "$2"; }

# until WHAT CONDITION...
until_so() {
    what=$1
    shift
    deadline=$(($(date +%s) + 100))
    until "$@"; do
        if [ "$(date +%s)" -ge $deadline ]; then
            check "$what, in time" false
            exit 1
        fi
        sleep 0.05
    done
}
# What mpsc-inspect tells of the channel: figure_is SENDERS 10
figure_is() { $inspect show "$name" 2>/dev/null | grep -q "^$1  *$2\$"; }
lines_are() { [ "$(wc -l <"$1")" -eq "$2" ]; }
remove() { rm -f "$folder/$name"; }

# ---- The command line

run --help
check "--help tells the options" grep -q -e '--receive NAME' "$tmp/out"
check "--help is no error" status_is 0
for option in s:send r:receive; do
    check "--help tells -${option%:*}" grep -q -e "-${option%:*}, --${option#*:} NAME" "$tmp/out"
    check "the manual tells -${option%:*}" \
        grep -q -x ".Fl ${option%:*} , -${option#*:} *,*" "$srcdir/doc/man/mpsc-cat.1"
done
run --version
check "--version tells a version" grep -q '^mpsc-cat .*[0-9]\.[0-9]' "$tmp/out"
run
check "no direction is wrong usage" ends 2 'what to do'
run --send "$name" --receive "$name"
check "both directions are wrong usage" ends 2 'one of'
run --send "$name" --count 1
check "an option of the other direction is wrong usage" ends 2 '--count goes with --receive'
run --receive "$name" --null --length
check "two formats are wrong usage" ends 2 'one of'
run --receive "$name" --bound many
check "a wrong number is told" ends 2 "not 'many'"
run --receive "$name" --timeout soon
check "a wrong time is told" ends 2 "not 'soon'"
run --receive a/b
check "a wrong name is told" ends 2 'no name of a channel'
run --receive "$name" extra
check "an operand too many is told" ends 2 "unexpected 'extra'"
if [ -w /dev/full ]; then
    $cat --help >/dev/full 2>"$tmp/err"
    status=$?
    check "help that cannot be written is an error" ends 1 'cannot write'
fi

# ---- Ten senders, one receiver

# numbered NAME LINES: lines of all lengths up to a hundred, no two the same.
numbered() {
    awk -v name="$1" -v lines="$2" 'BEGIN {
        for (k = 0; k < lines; k++) {
            line = name " " k " "
            for (j = k % 97; j > 0; j--)
                line = line "x"
            print line
        }
    }'
}

senders='0 1 2 3 4 5 6 7 8 9'
each=$((5 * ${MPSC_TEST_SCALE:-20}))
for i in $senders; do
    numbered "$i" $each >"$tmp/in$i"
done

send_ten() {
    ten=
    for i in $senders; do
        $cat --send "$name" --timeout 100 "$@" <"$tmp/in$i" 2>>"$tmp/err" &
        begun
        ten="$ten $last"
    done
}
check_ten() {
    for pid in $ten; do
        end_of "$pid"
        check "$1: a sender ends well" status_is 0
    done
    end_of "$receiver"
    check "$1: the receiver ends well" status_is 0
    for i in $senders; do
        grep "^$i " "$tmp/received" >"$tmp/got$i"
        check "$1: every line of sender $i, in order" same "$tmp/in$i" "$tmp/got$i"
    done
    check "$1: and no other line" lines_are "$tmp/received" $((10 * each))
    check "$1: nothing is left" [ ! -e "$folder/$name" ]
}

for bound in '' '--bound 8' '--bound 0 --message-size 128'; do
    : >"$tmp/err"
    # The options are a list of words.
    # shellcheck disable=SC2086
    send_ten $bound
    until_so "ten senders are there" figure_is senders 10
    $cat --receive "$name" --timeout 100 >"$tmp/received" 2>>"$tmp/err" &
    begun
    receiver=$last
    check_ten "senders first ${bound:-unbounded}"

    # The first sender may have left before the last has come.
    # shellcheck disable=SC2086
    $cat --receive "$name" $bound --follow --count $((10 * each)) --timeout 100 \
        >"$tmp/received" 2>>"$tmp/err" &
    begun
    receiver=$last
    until_so "the receiver is there" figure_is 'receiver pid' '[0-9][0-9]*'
    # shellcheck disable=SC2086
    send_ten $bound
    check_ten "receiver first ${bound:-unbounded}"
done

printf '1\n2\n3\n4\n5\n' >"$tmp/five"
$cat --receive "$name" >"$tmp/received" 2>"$tmp/err" &
begun
receiver=$last
until_so "a receiver waits for the first sender" figure_is 'receiver pid' "$last"
run --send "$name" <"$tmp/five"
check "a sender that comes later ends well" status_is 0
end_of "$receiver"
check "and so does who waited for it" status_is 0
check "with all it sent" same "$tmp/five" "$tmp/received"

# The line does not fit into the pipe, and nobody reads there before its sender has ended: who would take
# it when it is written would hold that one up, which gives it up each second and sends it again.
head -c 200000 /dev/zero | tr '\0' x >"$tmp/wide"
echo >>"$tmp/wide"
mkfifo "$tmp/fifo"
$cat --receive "$name" --bound 0 --message-size 200000 >"$tmp/fifo" 2>"$tmp/err" &
begun
receiver=$last
exec 3<"$tmp/fifo"
until_so "a receiver waits at the rendezvous" figure_is 'receiver pid' "$last"
run --send "$name" --timeout 10 <"$tmp/wide"
check "a sender at a rendezvous waits for the taking, not for the writing" status_is 0
cat <&3 >"$tmp/received"
exec 3<&-
end_of "$receiver"
check "a receiver at a rendezvous writes it once" same "$tmp/received" "$tmp/wide"

# ---- Messages as they are

# round WHAT FILE EXPECTED OPTION...: through a durable channel.
round() {
    stream=$1
    file=$2
    expected=$3
    shift 3
    $cat --send "$name" --durable "$@" <"$file" 2>"$tmp/err"
    status=$?
    check "$stream: sent, and not waited for" status_is 0
    for buffer in --verbose --buffer; do
        [ $buffer = --buffer ] && $cat --send "$name" "$@" <"$file"
        run --receive "$name" --timeout 0 $buffer "$@"
        check "$stream: received until there is no more ($buffer)" ends 3 'nothing came'
        check "$stream: as it was sent ($buffer)" same "$tmp/out" "$expected"
    done
    remove
}
printf 'one\n\n\nfour and \001\377\tmore\n' >"$tmp/lines"
round "lines" "$tmp/lines" "$tmp/lines"
printf 'one\nlast' >"$tmp/unended"
printf 'one\nlast\n' >"$tmp/ended"
round "a last line without its newline" "$tmp/unended" "$tmp/ended"
printf 'a\nb\0\0\nlast' >"$tmp/nuls"
printf 'a\nb\0\0\nlast\0' >"$tmp/nuls-ended"
round "NULs" "$tmp/nuls" "$tmp/nuls-ended" --null
head -c 260 /dev/zero | tr '\0' '\n' >"$tmp/fill"
# Of 0 bytes; of 3, a newline and a NUL among them; of 260.
printf '\0\0\0\0\0\0\0\003a\n\0\0\0\001\004' >"$tmp/lengths"
cat "$tmp/fill" >>"$tmp/lengths"
round "lengths" "$tmp/lengths" "$tmp/lengths" --length
awk 'BEGIN { for (i = 0; i < 300000; i++) printf "long" ; print ""; print "short" }' >"$tmp/large"
round "a line of a megabyte" "$tmp/large" "$tmp/large"
: >"$tmp/nothing"
round "nothing" "$tmp/nothing" "$tmp/nothing"

printf '\0\0\0\002ab\0\0\0\005abc' >"$tmp/cut"
run -s "$name" --durable --length <"$tmp/cut"
check "an input that ends within a message is told" \
    ends 1 'ends within a message, of which there are 3 bytes'
run -r "$name" --timeout 0 --length
check "what came before it was sent" [ "$(od -An -c "$tmp/out" | tr -d ' \n')" = '\0\0\0002ab' ]
remove

# ---- What does not fit

printf 'a\nb\n%040d\nd\n' 0 >"$tmp/long"
run --send "$name" --durable --bound 4 --message-size 8 <"$tmp/long"
check "a line that never fits is told, and what helps" ends 1 'line 3 has 40 bytes.*--message-size'
run --receive "$name" --timeout 0
printf 'a\nb\n' >"$tmp/expected"
check "what came before it was sent, and nothing behind it" same "$tmp/out" "$tmp/expected"
for option in '--bound 5' '--message-size 9'; do
    # shellcheck disable=SC2086
    run --send "$name" $option <"$tmp/lines"
    check "another $option is told, and what is there" ends 1 'differs: it is of bound 4, for messages of 8 bytes, and durable'
done
run --send "$name" --timeout 0.01 <"$tmp/five"
check "no room within the time is told" ends 3 'no room for line 5'
run --receive "$name" --count 2
printf '1\n2\n' >"$tmp/expected"
check "--count takes so many" same "$tmp/out" "$tmp/expected"
check "--count is no error" status_is 0
run --receive "$name" --count 2
printf '3\n4\n' >"$tmp/expected"
check "and leaves the others" same "$tmp/out" "$tmp/expected"
remove
run --send "$name" --timeout 0.1 <"$tmp/five"
check "nobody who takes them within the time is told" ends 3 'not all was taken'

# ---- Signals

# A sender that has sent so many and waits, for room or until they are taken.
waiting_sender() {
    expected=$1
    shift
    # A script's background ignores SIGINT.
    $heeding $cat --send "$name" "$@" <"$tmp/five" 2>"$tmp/err" &
    begun
    until_so "the sender has sent $expected" figure_is queued "$expected"
}
heeding='env --default-signal=INT'
interrupt=INT:130
$heeding true 2>/dev/null || heeding= interrupt=
for signal in TERM:143 HUP:129 $interrupt; do
    waiting_sender 5
    kill -"${signal%:*}" "$last"
    end_of "$last"
    check "a signal (${signal%:*}) ends the wait at the end" status_is "${signal#*:}"
    check "what may be lost is told" complains 'up to 5 of the 5 lines'
    waiting_sender 2 --bound 2
    kill -"${signal%:*}" "$last"
    end_of "$last"
    check "a signal (${signal%:*}) ends the wait for room" status_is "${signal#*:}"
    check "what may be lost is told then too" complains 'up to 2 of the 2 lines'
done
waiting_sender 5 --durable
end_of "$last"
check "of a durable channel nothing is lost" status_is 0
check "and nothing is said" [ ! -s "$tmp/err" ]
$cat --send "$name" <"$tmp/fifo" 2>"$tmp/err" &
begun
exec 4>"$tmp/fifo"
until_so "the sender is there" figure_is senders 1
kill -TERM "$last"
end_of "$last"
exec 4>&-
check "a signal ends the wait for input" status_is 143
check "of a durable channel nothing is lost then either" [ "$(grep -c 'up to' "$tmp/err")" -eq 0 ]
run --receive "$name" --timeout 0
check "all is there" same "$tmp/out" "$tmp/five"
$cat --receive "$name" >"$tmp/out" 2>"$tmp/err" &
begun
until_so "the receiver is there" figure_is 'receiver pid' "$last"
kill -TERM "$last"
end_of "$last"
check "a signal ends a receiver" ends 143 'ended by a signal, after 0 lines; 0 are left'
remove

# ---- The seat

waiting_sender 5
$cat --receive "$name" --follow --count 7 >"$tmp/first" 2>"$tmp/err1" &
begun
first=$last
until_so "the first receiver has what there is" lines_are "$tmp/first" 5
run --receive "$name"
check "a second receiver is told who is the first" ends 1 "has a receiver already, process $first"
printf '6\n7\n8\n' >"$tmp/three"
$cat --send "$name" <"$tmp/three" 2>"$tmp/err"
status=$?
end_of "$first"
check "--follow waits for another sender" lines_are "$tmp/first" 7
check "--follow and --count are no error" status_is 0

# ---- The time-out, once the last sender has left

for patience in --follow '--linger 1000'; do
    waiting_sender 5
    # The options are a list of words.
    # shellcheck disable=SC2086
    $cat --receive "$name" $patience --timeout 2 >"$tmp/received" 2>"$tmp/err1" &
    begun
    ended() { ! kill -0 "$last" 2>/dev/null; }
    until_so "--timeout ends it, whoever has left ($patience)" ended
    end_of "$last"
    cp "$tmp/err1" "$tmp/err"
    case $patience in
    --follow) check "and says so" ends 3 'nothing came' ;;
    *) check "and nobody is left, which is the end" status_is 0 ;;
    esac
    check "with all that came ($patience)" same "$tmp/five" "$tmp/received"
done
waiting_sender 5
run --receive "$name" --linger 0.1 --timeout 1000
check "--linger, where it is shorter, ends it, and is no error" status_is 0
check "with all that came" same "$tmp/five" "$tmp/out"

# ---- The other side leaves

$cat --send "$name" --bound 1 <"$tmp/fifo" 2>"$tmp/err" &
begun
sender=$last
exec 4>"$tmp/fifo"
echo one >&4
until_so "a line is sent" figure_is queued 1
$cat --receive "$name" --count 1 >"$tmp/out" 2>"$tmp/err1"
echo two >&4
exec 4>&-
end_of "$sender"
check "a sender is told that no receiver is left" ends 1 'no receiver of the channel'
check "and what was not sent" complains 'line 2'

waiting_sender 5
$cat --receive "$name" --linger 0 >"$tmp/out" 2>"$tmp/err"
status=$?
check "--receive ends when the last sender has left" status_is 0
check "with all it sent" same "$tmp/out" "$tmp/five"

# ---- The name is given to another channel

$cat --send "$name" <"$tmp/fifo" 2>"$tmp/err" &
begun
sender=$last
exec 4>"$tmp/fifo"
cat "$tmp/five" >&4
$cat --receive "$name" >"$tmp/first" 2>"$tmp/err1" 4>&- &
begun
first=$last
until_so "the first has the name" figure_is 'receiver pid' "$first"
until_so "and all that was sent" lines_are "$tmp/first" 5
remove
$cat --receive "$name" --linger 0 >"$tmp/second" 2>"$tmp/err1" 4>&- &
begun
second=$last
until_so "the second has the name" figure_is 'receiver pid' "$second"
exec 4>&-
end_of "$sender"
end_of "$first"
check "the first ends with its own sender" status_is 0
run --send "$name" --timeout 20 <"$tmp/five"
end_of "$second"
check "and leaves the second alone" same "$tmp/five" "$tmp/second"

# ---- Killed

$cat --receive "$name" >"$tmp/out" 2>"$tmp/err" &
begun
receiver=$last
$cat --send "$name" <"$tmp/fifo" 2>"$tmp/err1" &
begun
sender=$last
exec 4>"$tmp/fifo"
cat "$tmp/five" >&4
until_so "the lines of the sender to be killed are there" lines_are "$tmp/out" 5
kill -KILL "$sender"
end_of "$receiver"
exec 4>&-
check "a killed sender is one that has left" status_is 0
check "what it had sent is received" same "$tmp/out" "$tmp/five"

# Its output is stuck, so that it is in the middle of its work.
numbered many 2000 >"$tmp/many"
$cat --send "$name" --durable <"$tmp/many"
$cat --receive "$name" >"$tmp/fifo" 2>"$tmp/err" &
begun
exec 3<"$tmp/fifo"
until_so "the receiver to be killed has begun" figure_is queued '[0-9]\{1,3\}'
kill -KILL "$last"
end_of "$last"
cat <&3 >"$tmp/before"
exec 3<&-
run --receive "$name" --timeout 0
# The last that the killed one wrote may come again.
cat "$tmp/before" "$tmp/out" | uniq >"$tmp/both"
check "of what a receiver was killed over nothing is lost" same "$tmp/both" "$tmp/many"
remove

# ---- Output that cannot be written

if [ -w /dev/full ]; then
    $cat --send "$name" --durable <"$tmp/five"
    $cat --receive "$name" >/dev/full 2>"$tmp/err"
    status=$?
    check "a full disk is told" ends 1 'cannot write: '
    run --receive "$name" --timeout 0
    check "nothing is lost by it" same "$tmp/out" "$tmp/five"
    $cat --send "$name" <"$tmp/five"
    $cat --receive "$name" --buffer >/dev/full 2>"$tmp/err"
    status=$?
    check "what --buffer loses by it is told" ends 1 'up to 5 lines that lay in the buffer are lost'
    remove
fi
$cat --receive "$name" --durable >"$tmp/fifo" 2>"$tmp/err" &
begun
: <"$tmp/fifo"
until_so "the receiver is there" figure_is 'receiver pid' "$last"
$cat --send "$name" <"$tmp/five"
end_of "$last"
check "a closed pipe is told" ends 1 'cannot write: '
run --receive "$name" --timeout 0
check "what could not be written is not lost" same "$tmp/out" "$tmp/five"
remove

# ---- Standard descriptors that are closed: no segment takes their place

# left_alone WHAT: there are five lines, and nothing else was changed.
left_alone() {
    $inspect check "$name" >"$tmp/out" 2>>"$tmp/err"
    check "$1: the channel is sound" grep -q ': sound$' "$tmp/out"
    run --receive "$name" --timeout 0
    check "$1: what was queued is there" same "$tmp/out" "$tmp/five"
    remove
}
$cat --send "$name" --durable <"$tmp/five"
$limit $cat --receive "$name" --timeout 0 2>"$tmp/err" >&-
status=$?
check "a closed output cannot be written" ends 1 'cannot write: '
left_alone "a closed output"
$cat --send "$name" --durable <"$tmp/five"
$limit $cat --send "$name" 2>"$tmp/err" <&-
status=$?
check "a closed input cannot be read" ends 1 'cannot read the input: '
left_alone "a closed input"
$limit $cat --send "$name" --durable --verbose <"$tmp/five" 2>&-
status=$?
check "errors that cannot be told are none" status_is 0
left_alone "closed errors"

# ---- Nothing is held back, and progress is told

$cat --receive "$name" --buffer --verbose >"$tmp/out" 2>"$tmp/err" &
begun
receiver=$last
$cat --send "$name" --verbose <"$tmp/fifo" 2>"$tmp/err1" &
begun
exec 4>"$tmp/fifo"
cat "$tmp/five" >&4
until_so "--buffer holds nothing back while it waits" lines_are "$tmp/out" 5
until_so "--verbose tells how far it is" grep -q '5 lines, 5 bytes sent' "$tmp/err1"
exec 4>&-
end_of "$receiver"
check "--verbose tells the end" ends 0 '5 lines, 5 bytes received'

[ $failed -eq 0 ] || exit 1
