#!/bin/sh
# SPDX-License-Identifier: MIT
# What mpsc-inspect prints for other programs is read by them: JSON, OpenMetrics, completion of names in
# bash and zsh; and what it prints on a terminal has colours there alone.
#
# Programs and their arguments are lists of words.
# shellcheck disable=SC2086
set -u

: "${srcdir:=.}"
prefix=inspect-output-sh-$$
. "$srcdir/tests/inspect-common.sh"
name=$prefix-used
full=$prefix-zzz
skipped=

begun=$(date +%s)
start_peer 1 "$name" 8
ask 1 "send hello"
ask 1 "number 7"

# A channel of a wild name, damaged.
wild=$prefix-'"\
$(date)'
cp "$folder/$name" "$folder/$wild"
truncate -s 5000 "$folder/$wild"
cut=$prefix-zzy
cp "$folder/$wild" "$folder/$cut"
# One that a terminal might obey, and two that would be one if a byte and its number were written the same.
for bytes in '\033[31m\rred\177\302\233' '\377' '\\xff'; do
    # The bytes are the test's own.
    # shellcheck disable=SC2059
    cp "$folder/$wild" "$folder/$(printf "$prefix-~$bytes")"
done

# ---- JSON

find_python json

# json EXPRESSION: what Python makes of the output, as `documents`.
json() {
    $python -c '
import json, sys
decoder, text, documents = json.JSONDecoder(), open(sys.argv[1]).read(), []
while text.strip():
    value, end = decoder.raw_decode(text.lstrip())
    documents.append(value)
    text = text.lstrip()[end:]
name = sys.argv[2]
def keys(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return set(value if isinstance(value, dict) else ()).union(*map(keys, children))
with open(sys.argv[4], "a") as seen: seen.writelines(key + "\n" for key in keys(documents))
def of(channels): return [c for c in channels if c["name"] == name][0]
sys.exit(0 if eval(sys.argv[3]) else 1)' "$tmp/out" "$name" "$1" "$tmp/fields"
}

: >"$tmp/fields"
run list --json
if [ $status -eq 2 ] && complains 'built without JSON'; then
    skipped="$skipped JSON (built without jansson)"
elif [ -z "$python" ]; then
    skipped="$skipped JSON (no python3)"
else
    check "list --json has the channel" json 'of(documents[0]["channels"])["queued"] == 2'
    check "and its bound, state and kind" json \
        'all(of(a["channels"])[k] == v for a in documents for k, v in (("bound", 8), ("state", "ok"), ("kind", "bounded")))'
    check "and a damaged one of a wild name" json \
        '[c for c in documents[0]["channels"] if "$(date)" in c["name"]][0]["state"] == "damaged"'
    check "and when it was made" json \
        "$begun - 1 <= of(documents[0]['channels'])['created_seconds'] <= $(date +%s) + 1"
    run show --json "$name"
    check "show --json has its endpoints" json \
        'sorted(e["end"] for e in documents[0]["endpoints"]) == ["receiver", "sender"]'
    check "and their pid and command" json \
        "all(e['pid'] == $peer1 and e['command'] == 'inspect_peer' for e in documents[0]['endpoints'])"
    run peek --json "$name"
    check "peek --json has a line for each message" json 'len(documents) == 2 and documents[0]["text"] == "hello"'
    check "and the bytes of what is no text" json \
        'documents[1]["text"] is None and documents[1]["hex"] == "07000000"'
    start_peer 3 "$prefix-vast" -1 vast
    run show --json "$prefix-vast"
    check "a number that JSON's readers have no room for is the largest they have" \
        json 'documents[0]["max_bytes"] == 2 ** 63 - 1'
    run check --json "$name" "$wild"
    check "check --json tells the sound and the damaged" json \
        '[c["result"] for c in documents[0]["channels"]] == ["sound", "damaged"]'
    check "and why" json 'documents[0]["channels"][1]["why"]'
    check "its status is the same" status_is 1
    run gc --json --dry-run "$name"
    check "gc --json tells what is kept" json 'of(documents[0]["channels"])["result"] == "kept"'
    run list --json --names
    check "list --json --names has the names alone" json 'list(of(documents[0]["channels"])) == ["name"]'
    run watch --once --json --interval 0.1
    check "watch --once --json has the channel, and its rate" json \
        'of(documents[0]["channels"])["sent_per_second"] == 0'
    run watch --once --json --interval 0.1 "$name"
    check "watch --once --json NAME has its endpoints" json 'len(documents[0]["endpoints"]) == 2'
fi
wait_for "list tells how old it is" list says "^$name .*  [1-9][0-9]* [a-z]*  *ok\$"

# ---- OpenMetrics

parse='
import sys
from prometheus_client import parser as older
from prometheus_client.openmetrics import parser
text = open(sys.argv[1]).read()
def all_of(parser):
    return [s for family in parser.text_string_to_metric_families(text) for s in family.samples]
samples = all_of(parser)
def compared(samples):
    return sorted((s.name, sorted(s.labels.items()), s.value) for s in samples)
assert compared(samples) == compared(all_of(older))
def value(metric, **labels):
    return [s.value for s in samples if s.name == metric and s.labels.get("channel") == sys.argv[2]
            and all(s.labels.get(k) == v for k, v in labels.items())]
assert value("mpsc_channel_queued") == [2], value("mpsc_channel_queued")
assert value("mpsc_channel_sent_total") == [2]
assert value("mpsc_channel_bound") == [8]
assert value("mpsc_channel_senders") == [1]
assert value("mpsc_channel_message_size_bytes") == [32]
assert value("mpsc_channel_blocked", end="sender") == [0]
assert value("mpsc_channel_state", state="ok") == [1]
assert value("mpsc_channel_state", state="stalled") == [0]
assert any("$(date)" in s.labels["channel"] for s in samples)'
find_python prometheus_client.openmetrics.parser
run metrics
check "metrics is no error" status_is 0
check "metrics ends as OpenMetrics does" [ "$(tail -n 1 "$tmp/out")" = '# EOF' ]
check "metrics has only types of the older format" \
    [ -z "$(sed -n '/^# TYPE /p' "$tmp/out" | grep -v -e ' counter$' -e ' gauge$')" ]
LC_ALL=C tr -d '\n -~' <"$tmp/out" >"$tmp/controls"
check "metrics lets no control character out, nor what may be one" [ ! -s "$tmp/controls" ]
check "but their numbers" says "{channel=\"$prefix-~\\\\\\\\x1b\[31m\\\\\\\\x0dred\\\\\\\\x7f\\\\\\\\xc2\\\\\\\\x9b\""
check "a byte that is no UTF-8 is one label" lines 1 "{channel=\"$prefix-~\\\\\\\\xff\",state=\"damaged\"} 1"
check "and a backslash another" lines 1 "{channel=\"$prefix-~\\\\\\\\x5cxff\",state=\"damaged\"} 1"
if [ -n "$python" ]; then
    check "a parser of OpenMetrics reads it" $python -c "$parse" "$tmp/out" "$name"
else
    skipped="$skipped metrics' parser (no python3-prometheus-client)"
fi

# ---- watch, and colours

run watch --once --interval 0.1
check "watch --once is a table" says "^$name .*  2/8 "
check "and counts the channels" says '^[0-9]* channels*, [0-9]* stalled$'
check "watch --once is no error" status_is 0
run watch --once --interval 0.1 "$name"
check "watch --once NAME tells all about one" says '^queued  *2$'
run watch --once "$prefix-none"
check "watch of no channel is told" ends 1 'no channel'
: >"$tmp/watched" # it is read before the other one opens it
$limit $inspect watch --interval 0.05 >"$tmp/watched" 2>"$tmp/err" &
watcher=$!
started="$started $watcher"
three_looks() { [ "$(grep -c ' stalled$' "$tmp/watched")" -ge 3 ]; }
check "without a terminal it goes on as plain text" in_time three_looks
kill $watcher

# A mark for each look: two of eight, and then all of them.
start_peer 2 "$full" 8
ask 2 "many 2"
: >"$tmp/watched"
LC_ALL=C $inspect watch --interval 0.05 "$full" >"$tmp/watched" 2>"$tmp/err" &
watcher=$!
started="$started $watcher"
shows() { cp "$tmp/watched" "$tmp/out" && says "$1"; }
check "watch NAME draws how full it was at each look" in_time shows '^fill  :::*$'
ask 2 "many 6"
check "and how that changes" in_time shows '^fill  ::*##*$'
kill $watcher
run watch --once --interval 0.1
check "watch draws it for each channel" says "^$full .*  8/8 .*  [^ ]*\$"

escape=$(printf '\033')
run list
check "no colours without a terminal" lines 0 "$escape"
if command -v script >/dev/null; then
    # on_terminal ENVIRONMENT... COMMAND...: what a terminal would get, in $tmp/out.
    on_terminal() {
        $limit script -qec "env $*" /dev/null </dev/null >"$tmp/out" 2>"$tmp/err"
        status=$?
    }
    on_terminal -u NO_COLOR TERM=xterm $inspect list
    check "colours on a terminal" says "${escape}\\[32mok"
    on_terminal NO_COLOR=1 TERM=xterm $inspect list
    check "but not under NO_COLOR" lines 0 "$escape"
    check "where the text is the same" says "^$name "
    if [ "$skipped" = "${skipped#* JSON (}" ]; then
        on_terminal TERM=xterm $inspect list --json
        check "JSON on a terminal has no character that is a control there" says '\\u009[Bb]'
        check "in any form" lines 0 "$(printf '\302\233')"
    fi
    on_terminal -u NO_COLOR TERM=dumb $inspect list
    check "nor where the terminal is dumb" lines 0 "$escape"
else
    skipped="$skipped colours (no script)"
fi

# ---- watch on a terminal

in_order() { grep -o -e "$name" -e "$full" -e "$cut" "$tmp/out" | tr '\n' ' '; }
order_is() { [ "$(in_order)" = "$*" ]; }
first_is() { [ "$(in_order | cut -d' ' -f1)" = "$1" ]; }
# One more is sent meanwhile, where that is not so yet.
most_sent() {
    first_is "$full" && return
    ask 2 receive
    ask 2 'send more'
    false
}
seen() { terminal capture-pane -p >"$tmp/out" && "$@"; }
# press KEY CONDITION...: until the screen is so.
press() {
    terminal send-keys -N "${times:-1}" "$1"
    shift
    in_time seen "$@"
}

if ! grep -q '^#define HAVE_NCURSES' config.h; then
    skipped="$skipped watch on a terminal (built without ncurses)"
elif ! command -v tmux >/dev/null; then
    skipped="$skipped watch on a terminal (no tmux)"
else
    # Each width has a server of its own: one whose last session has ended is on its way out.
    terminal() { tmux -S "$tmp/$width" -f /dev/null "$@" 2>"$tmp/err"; }
    width=150
    terminal new-session -d -x $width -y 500 "$inspect watch --interval 0.1; echo \$? >'$tmp/ended'"
    started="$started $(terminal display-message -p '#{pid}')"
    check "watch draws on a terminal, by name" in_time seen order_is "$name $cut $full "
    check "u brings the fullest to the top" press u order_is "$full $name $cut "
    check "n sorts by name" press n order_is "$name $cut $full "
    check "s brings the damaged to the top" press s first_is "$cut"
    check "r brings what is sent most to the top" press r most_sent
    check "n sorts by name again" press n order_is "$name $cut $full "
    times=500
    check "the arrow down leaves out line after line" press Down order_is ''
    check "which that up brings back" press Up order_is "$name $cut $full "
    times=1
    terminal send-keys q
    in_time [ -s "$tmp/ended" ]
    check "and q ends it" [ "$(cat "$tmp/ended")" = 0 ]

    # Below the heading are as many lines as there are channels.
    width=40
    terminal new-session -d -x $width -y 500 "$inspect watch --interval 0.1"
    started="$started $(terminal display-message -p '#{pid}')"
    in_lines() {
        order_is "$name $cut $full " && lines "$(($(sed 's/ .*//;q' "$tmp/out") + 2))" .
    }
    check "on a narrow one lines are cut, and nothing stands below" in_time seen in_lines
    terminal kill-server
fi

# ---- Completion

colons=$prefix-one
cp "$folder/$wild" "$folder/$colons:two:three"
PATH=$(pwd)/tools:$PATH
export PATH
run list --names
check "list --names has the names alone" says "^$name\$"
if command -v bash >/dev/null; then
    # complete_in_bash WORD...: what the last may become. The words stand in $line, if not with a space between.
    line=
    complete_in_bash() {
        bash -c '. "$1/tools/completion/mpsc-inspect" && line=$2 && shift 2
            COMP_WORDS=(mpsc-inspect "$@") COMP_CWORD=$#
            COMP_LINE=mpsc-inspect\ ${line:-$*} COMP_POINT=$((${#COMP_LINE}))
            _mpsc_inspect mpsc-inspect && printf "%s\n" "${COMPREPLY[@]}"' - "$srcdir" "$line" "$@" \
            >"$tmp/out" 2>"$tmp/err"
        status=$?
    }
    complete_in_bash sh
    check "bash completes a command" says '^show$'
    complete_in_bash show "$prefix-u"
    check "bash completes a channel's name" says "^$name\$"
    complete_in_bash peek --fo
    check "bash completes an option" says '^--follow$'
    complete_in_bash show "$prefix-"
    check "bash expands no name" says 'date\\)'

    line="show $colons:two:"
    complete_in_bash show "$colons" : two :
    check "bash completes behind the last colon of a name" says '^three$'
    check "and nothing else" lines 1 .
    line="show $colons:tw"
    complete_in_bash show "$colons" : tw
    check "as well as before it" says '^two:three$'
    line=

    complete_cat_in_bash() {
        bash -c '. "$1/tools/completion/mpsc-cat" && line=$2 && shift 2
            COMP_WORDS=(mpsc-cat "$@") COMP_CWORD=$#
            COMP_LINE=mpsc-cat\ ${line:-$*} COMP_POINT=$((${#COMP_LINE}))
            _mpsc_cat mpsc-cat && printf "%s\n" "${COMPREPLY[@]}"' - "$srcdir" "$line" "$@" \
            >"$tmp/out" 2>"$tmp/err"
        status=$?
    }
    complete_cat_in_bash --send "$prefix-"
    check "bash completes a channel's name for mpsc-cat" says "^$name\$"
    check "and expands none" says 'date\\)'
    line="--send $colons:two:th"
    complete_cat_in_bash --send "$colons" : two : th
    check "and behind the last colon of one" says '^three$'
    line=
    complete_cat_in_bash --mess
    check "bash completes an option of mpsc-cat" says '^--message-size$'
else
    skipped="$skipped completion (no bash)"
fi
if command -v zsh >/dev/null; then
    # complete_in_zsh WORD...: what the last may become.
    complete_in_zsh() {
        zsh -f -c 'compadd() { print -l -- $candidates; }
            source=$1/tools/completion/_mpsc-inspect && shift
            words=(mpsc-inspect "$@") CURRENT=$(($# + 1)) PREFIX=$words[-1]
            . $source' - "$srcdir" "$@" >"$tmp/out" 2>"$tmp/err"
    }
    complete_in_zsh sh
    check "zsh completes a command" says '^show$'
    complete_in_zsh show ''
    check "zsh completes a channel's name" says "^$name\$"
    complete_in_zsh peek --fo
    check "zsh completes an option" says '^--follow$'
    zsh -f -n "$srcdir/tools/completion/_mpsc-cat" 2>"$tmp/err"
    status=$?
    check "zsh understands the completion of mpsc-cat" status_is 0
else
    skipped="$skipped completion in zsh (no zsh)"
fi

# ---- The manual

words=$(sed 's/^\.[A-Z][a-z]* //' "$srcdir/doc/man/mpsc-inspect.1" | tr -c 'a-zA-Z_-' '\n')
run metrics
for metric in $(sed -n 's/^\(mpsc_channel_[a-z_]*\){.*/\1/p' "$tmp/out" | sort -u); do
    check "the manual names $metric" [ -n "$(echo "$words" | grep -x "$metric")" ]
done

sort -u "$tmp/fields" >"$tmp/names"
while read -r field; do
    check "the manual names $field of the JSON" [ -n "$(echo "$words" | grep -x "$field")" ]
done <"$tmp/names"

[ $failed -eq 0 ] || exit 1
[ -z "$skipped" ] || skip "$skipped; the rest is so"
