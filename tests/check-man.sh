#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages are well formed; each public call has one, whose SYNOPSIS agrees with mpsc.h; their
# examples compile; each page that one refers to is there; and `man` finds each call once installed.
#
# $CC and $MAKE are lists of words.
# shellcheck disable=SC2086
set -u

: "${srcdir:=.}" "${CC:=cc}" "${MAKE:=make}"
pages=$srcdir/doc/man
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR

result=0
complain() {
    echo "$*"
    result=1
}

# The lines of a section.
section() { sed -n "/^\.Sh $2\$/,/^\.Sh/p" "$1"; }
# What a page is called: "NAME SECTION", for each of its names.
names() {
    section "$1" NAME | sed -n "s/^\.Nm \([^ ]*\).*/\1 ${1##*.}/p"
}

# Declarations from .Ft, .Fo, .Fa and .Fc.
prototypes() {
    section "$1" SYNOPSIS | awk '
        /^\.Ft / { type = substr($0, 5) }
        /^\.Fo / { name = $2; arguments = "" }
        /^\.Fa / {
            gsub(/^\.Fa "?|"$/, "")
            arguments = arguments (arguments == "" ? "" : ", ") $0
        }
        /^\.Fc/ { print type " " name "(" arguments ");" }'
}
# The n-th literal display of EXAMPLES, without mdoc's escapes.
example() {
    section "$1" EXAMPLES | awk -v wanted="$2" '
        /^\.Ed/ { inside = 0 }
        inside == 1 && number == wanted { gsub(/\\e/, "\\"); gsub(/\\&/, ""); print }
        /^\.Bd -literal/ { inside = 1; number++ }'
}
compiles() {
    $CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -I"$srcdir/include" "$1" 2>"$work/said"
}

check_call_page() {
    page=$1
    for wanted in SYNOPSIS DESCRIPTION 'RETURN VALUES' EXAMPLES ERRORS 'SEE ALSO'; do
        grep -q "^\.Sh $wanted\$" "$page" || complain "$page: no $wanted"
    done
    { echo '#include <mpsc.h>'; prototypes "$page"; } >"$work/synopsis.c"
    compiles "$work/synopsis.c" || {
        complain "$page: its SYNOPSIS is not what mpsc.h declares:"
        cat "$work/said"
    }
    prototypes "$page" | sed 's/(.*//; s/.*[ *]//' >>"$work/documented"
    number=1
    while example "$page" $number >"$work/example.c" && [ -s "$work/example.c" ]; do
        compiles "$work/example.c" || {
            complain "$page: its example $number does not compile:"
            cat "$work/said"
        }
        number=$((number + 1))
    done
    [ $number -gt 1 ] || complain "$page: no example"
}

linted=yes
if command -v mandoc >/dev/null; then
    well_formed() { mandoc -T lint -W warning "$1"; }
elif command -v man >/dev/null && man --warnings -l "$pages/mpsc.7" >/dev/null 2>&1; then
    well_formed() { ! LC_ALL=C man --warnings -l "$1" 2>&1 >/dev/null | grep .; }
else
    linted=no
    well_formed() { :; }
fi

: >"$work/documented"
count=0
for page in "$pages"/*.[137]; do
    count=$((count + 1))
    well_formed "$page" || complain "$page is not well formed"
    names "$page" >>"$work/names"
    file=${page##*/}
    names "$page" | grep -qx "${file%.*} ${file##*.}" || complain "$page does not name itself"
    case $page in *.3) check_call_page "$page" ;; esac
done
# A tool may be referred to as well.
sed -n 's,^bin_PROGRAMS += tools/,,p' "$srcdir/Makefile.am" | tr ' ' '\n' | sed 's,tools/,,; s/$/ 1/' >"$work/tools"
for page in "$pages"/*.[137]; do
    sed -n 's/^.*\.\(It \)\{0,1\}Xr //p; s/^.*[ .]Xr //p' "$page" | tr ',' '\n' |
        awk '$1 ~ /^(mpsc|MPSC)/ { print $1, $2 }' | sort -u | while read -r name number; do
        cat "$work/names" "$work/tools" | grep -qx "$name $number" || echo "$page refers to $name($number), which is no page"
    done
done >"$work/lost"
[ ! -s "$work/lost" ] || complain "$(cat "$work/lost")"

grep -o 'mpsc_[a-z0-9_]*;' "$srcdir/lib/libmpsc.map" | tr -d ';' | sort >"$work/exported"
sort -u "$work/documented" | comm -13 - "$work/exported" >"$work/missing"
[ ! -s "$work/missing" ] || complain "no page's SYNOPSIS has: $(tr '\n' ' ' <"$work/missing")"

# ---- The tools' options: those of --help are those of the page

help_of() {
    "tools/$1" --help
    # Its commands have some of their own.
    "tools/$1" --help | sed -n "s/^\(Usage:\)* *$1 \([a-z][a-z]*\).*/\2/p" | sort -u | while read -r command; do
        "tools/$1" "$command" --help
    done
}
if [ -x tools/mpsc-inspect ]; then
    for tool in mpsc-inspect mpsc-cat; do
        help_of $tool | grep -oE -e '--[a-z][a-z-]+' | sort -u >"$work/help"
        grep -E '^\.(It )?Fl ' "$pages/$tool.1" | grep -oE -e ' -[a-z][a-z-]+' | sed 's/^ /-/' |
            sort -u >"$work/page"
        diff "$work/help" "$work/page" >"$work/said" ||
            complain "$tool: < in --help alone, > in the page alone: $(cat "$work/said")"
    done
fi

# ---- Installed, each public name leads to its page

$MAKE install-man install-data-hook DESTDIR="$work/to" mandir=/man >"$work/log" 2>&1 || {
    cat "$work/log"
    complain "the pages cannot be installed"
}
while read -r name number; do
    file=$work/to/man/man$number/$name.$number
    if ! [ -s "$file" ]; then
        complain "$name.$number is not installed"
    elif read -r so target <"$file" && [ "$so" = .so ] && ! [ -s "$work/to/man/$target" ]; then
        complain "$name.$number leads to $target, which is not installed"
    fi
done <"$work/names"
if command -v man >/dev/null; then
    MANPATH=$work/to/man LC_ALL=C man mpsc_try_send 2>"$work/said" | grep -q try_send ||
        complain "man mpsc_try_send: $(cat "$work/said")"
fi
$MAKE uninstall-man uninstall-hook DESTDIR="$work/to" mandir=/man >"$work/log" 2>&1
left=$(find "$work/to" ! -type d)
[ -z "$left" ] || complain "uninstall left: $left"

[ $result -eq 0 ] || exit $result
echo "$count pages, $(wc -l <"$work/documented") calls"
[ $linted = yes ] || { echo "skipped: whether the pages are well formed (no mandoc, nor man)"; exit 77; }
