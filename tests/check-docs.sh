#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documentation names is there: files, links, tests, identifiers, and the options of configure, of
# the scripts and of the tools.
#
# The lists of documents and $CC are lists of words.
# shellcheck disable=SC2086,SC2016
set -u

: "${srcdir:=.}"
build=$(pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$srcdir" || exit 1

documents='README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md doc/*.md doc/decisions/*.md'
source='include lib tools examples bench tests script Makefile.am configure.ac'
# complaints WHAT: each line of the input is one.
complaints() { sed "s|\$| $1|" >>"$work/complaints"; }

# ---- Links, and paths: in the source, or made by the build

links() {
    for document in $documents; do
        grep -o '](\([^)# ]*\)' "$document" | cut -c3- | grep -v '^[a-z]*:' | sort -u | while read -r link; do
            [ -e "$(dirname "$document")/$link" ] || echo "$document: $link"
        done
    done
}
links | complaints 'is linked to, and is not there'

paths() {
    grep -oE '(^|[^A-Za-z0-9_/.<-])(build/[a-z]+/)?(lib|tests|tools|examples|doc|include|script|bench)/[A-Za-z0-9_./*-]*[A-Za-z0-9_*]' \
        $documents doc/man/* | sed 's/:[^A-Za-z]*/ /; s, build/[a-z]*/, ,' | sort -u | while read -r document path; do
        set -- $path
        [ -e "$1" ] || [ -e "$build/$path" ] || echo "$document: $path"
    done
}
paths | complaints 'is named, and is not there'

# ---- The tests that hold the guarantees

# "FILE TEST" for each name in a table of guarantees; the test is - for the file itself.
held_by() {
    awk -F'|' '/^\|/ { print $(NF - 1) }' doc/guarantees.md | grep -oE '`[A-Za-z0-9_.-]+`' | tr -d '`' |
        awk '/\./ { file = $0; print file, "-"; next } { print file, $0 }'
}
# The same for each test that there is.
tests_there() {
    grep -oE '(TEST[A-Z_]*|TRAFFIC|kind)\([a-z0-9_]+[,)]|^ +\{+(\.name = )?"[a-z0-9_]+"|^ +[a-z0-9_]+\(\);' \
        tests/*.c tests/*.cpp tests/traffic.h | sed -E 's,^tests/,,; s,:.*[("]([a-z0-9_]+)[,")]$, \1,; s,: *([a-z0-9_]+)\(\);$, \1,'
}
unheld() {
    tests_there >"$work/tests"
    held_by | awk -v tests="$work/tests" '
        BEGIN {
            while ((getline <tests) > 0)
                in_files[$2] = in_files[$2] " " $1
        }
        $2 == "-" {
            print
            next
        }
        {
            base = $1
            sub(/\.c$/, "", base)
            n = split(in_files[$2], file)
            found = 0
            for (i = 1; i <= n; i++)
                found = found || file[i] == $1 || file[i] == "traffic.h" || index(file[i], base "_") == 1
            if (!found)
                print $1 ": " $2
        }' | while read -r file test; do
        if [ "$test" != - ]; then
            echo "$file $test"
        elif ! [ -e "tests/$file" ]; then
            echo "tests/$file"
        fi
    done
}
unheld | complaints 'is in doc/guarantees.md, and is no test'
held_by | cut -d' ' -f1 | sort -u >"$work/named"
grep -l 'harness_main(' tests/*.c | sed 's,^tests/,,' | grep -vx 'harness.c' | sort |
    comm -13 "$work/named" - | complaints 'holds no promise of doc/guarantees.md'

# ---- The files of the library

(cd lib && ls ./*.c os/*.c) | sed 's,^\./,,' | while read -r file; do
    grep -q "[ |]$file" doc/architecture.md || echo "lib/$file"
done | complaints 'is not in doc/architecture.md'

# Offsets and sizes in doc/segment-format.md, as assertions about lib/layout.h.
layout() {
    echo '#include "layout.h"'
    awk -F' *[|] *' '
        /^#/ { type = "" }
        /^## The identity/ { type = "struct identity" }
        /^## The rest of the header/ { type = "struct header" }
        /^## A process/ { type = "struct process" }
        /^## An endpoint/ { type = "struct endpoint" }
        /^## The rings/ { type = "struct ring_words" }
        type != "" && $2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ {
            sub(/reserved/, type == "struct process" ? "unused" : "reserved", $4)
            printf "_Static_assert(offsetof(%s, %s) == %s && sizeof(((%s *)0)->%s) == %s, \"%s.%s\");\n",
                type, $4, $2, type, $4, $3, type, $4
        }' doc/segment-format.md
}
layout >"$work/layout.c"
grep -q 'struct ring_words, tail' "$work/layout.c" || echo "no table of doc/segment-format.md" | complaints 'was found'
${CC:-cc} -std=c11 -fsyntax-only -Iinclude -iquote lib "$work/layout.c" 2>&1 | grep error |
    sed 's/.*error: //' | complaints 'in doc/segment-format.md'

# ---- Identifiers

cat $documents doc/man/* | grep -v '^\.Dt' |
    grep -oE '`[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]*[A-Za-z0-9](\(\))?`|MPSC_[A-Z_]*[A-Z]|mpsc_[a-z_]*[a-z]' |
    tr -d '`()' | grep -v '^pthread_' | LC_ALL=C sort -u >"$work/words"
grep -rIohE '[A-Za-z_][A-Za-z0-9_]*_[A-Za-z0-9_]*' $source | LC_ALL=C sort -u | LC_ALL=C comm -13 - "$work/words" |
    complaints 'is named, and nowhere in the source'

# ---- Options

./configure --help >"$work/configure" 2>/dev/null || : >"$work/configure"
if [ -s "$work/configure" ]; then
    grep -ohE -e '--(with|enable|disable)-[a-z]+' $documents | sort -u | sed 's/--disable/--enable/' |
        while read -r option; do
            grep -qE -e "$option|--disable-${option#--enable-}" "$work/configure" || echo "$option"
        done | complaints 'is no option of configure'
fi

# Of a script its own text knows the options, of a tool its --help; and its commands.
text_of() {
    case $1 in
    script/*) cat "$1" ;;
    *) for folder in tools examples; do
        [ ! -x "$build/$folder/$1" ] || "$build/$folder/$1" --help
    done ;;
    esac
}
options() {
    # A code span, or a line of an indented or fenced block.
    cat $documents | awk '{ n = split($0, part, "`"); for (i = 1; i <= n; i++) print part[i] }' |
        grep -oE '(script/[a-z]+|mpsc-[a-z]+|wordcount)( +[^ |#>&)]+)+' | sort -u |
        while read -r command words; do
            text_of "$command" >"$work/text"
            [ -s "$work/text" ] || continue
            for word in $words; do
                case $word in
                --*) grep -qw -e "${word%%=*}" "$work/text" || echo "$command $word" ;;
                esac
            done
        done
}
options | complaints 'is named, and is no option of it'

tool_commands() {
    {
        awk '{ n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' $documents
        sed -n 's/^ *\([0-9] *\$ \)\{0,1\}//; /^mpsc-inspect/p' $documents
    } | grep -oE '^mpsc-inspect [a-z]+' | sort -u | while read -r tool command; do
        text_of "$tool" >"$work/text"
        [ ! -s "$work/text" ] || grep -qw -e "$command" "$work/text" || echo "$tool $command"
    done
}
tool_commands | complaints 'is named, and is no command of it'

if [ -s "$work/complaints" ]; then
    cat "$work/complaints"
    exit 1
fi
echo "$(echo $documents | wc -w) documents, $(held_by | grep -vc -e '-$') tests named"
