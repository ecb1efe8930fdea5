#!/bin/sh
# SPDX-License-Identifier: MIT
# A file in lib/ includes only headers of lower levels and its own, and only lib/os includes headers
# of the system beyond C and pthreads.
set -eu

: "${srcdir:=.}"

# The levels of doc/architecture.md. A new noun gets its place here.
level_of() {
    case $1 in
    os/*) echo 0 ;;
    layout | geometry | map | fork) echo 1 ;;
    ring | control | condvar) echo 2 ;;
    registry | wait | lead) echo 3 ;;
    recover | seat | offer | chain | bell | bias) echo 4 ;;
    segment) echo 5 ;;
    attachment | view) echo 6 ;;
    handle | channel | sender | receiver | select | stat | status) echo 7 ;;
    *) return 1 ;;
    esac
}

# The noun of a file, the part before the first underscore: control_futex.c and control_pthread.c are both
# `control`, attachment_fork.c is a part of `attachment`.
noun_of() {
    noun=${1%.[ch]}
    echo "${noun%%_*}"
}

# Whether a file, of noun $1 and level $2, may include the header $5, of noun $3 and level $4.
allowed() {
    case $5 in
    *_inside.h) [ "$3" = "$1" ]; return ;; # what the files of one noun share
    esac
    [ "$4" -lt "$2" ] && return 0
    [ "$3" = "$1" ] && return 0
    case $2:$1:$3 in
    0:*) return 0 ;;        # lib/os is one noun
    1:*:layout) return 0 ;; # the drawing is the floor that level 1 stands on
    7:*:handle) return 0 ;; # what sender and receiver share
    7:select:receiver) return 0 ;;
    esac
    return 1
}

result=0
complain() {
    echo "$*"
    result=1
}

check_own() {
    included=$2
    [ "$included" = config.h ] && return
    case $file in
    os/*) included=os/${included#os/} ;;
    esac
    [ -e "$srcdir/lib/$included" ] || {
        complain "lib/$file: \"$2\" is not in lib/"
        return
    }
    other=$(noun_of "$included")
    if ! other_level=$(level_of "$other"); then
        complain "lib/$included has no level: give it one in tests/check-layers.sh"
    elif ! allowed "$noun" "$level" "$other" "$other_level" "$included"; then
        complain "lib/$file (level $level) includes \"$2\" (level $other_level)"
    fi
}

# Above lib/os: the C library's own headers and pthreads.
check_system() {
    [ "$level" -eq 0 ] && return
    case ${2%.h} in
    assert | ctype | errno | inttypes | limits | math | signal | stdalign | stdarg | stdatomic | \
        stdbool | stddef | stdint | stdio | stdlib | stdnoreturn | string | time | pthread | mpsc) ;;
    *) complain "lib/$file (level $level) includes <$2>, which is for lib/os" ;;
    esac
}

files=$(cd "$srcdir/lib" && ls ./*.[ch] os/*.[ch])
count=0
for file in $files; do
    file=${file#./}
    count=$((count + 1))
    noun=$(noun_of "$file")
    if ! level=$(level_of "$noun"); then
        complain "lib/$file has no level: give it one in tests/check-layers.sh"
        continue
    fi
    includes=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\(["<]\)\([^">]*\).*/\1 \2/p' \
        "$srcdir/lib/$file")
    while read -r kind header; do
        case $kind in
        '"') check_own "$file" "$header" ;;
        '<') check_system "$file" "$header" ;;
        esac
    done <<END
$includes
END
done

[ $result -eq 0 ] && echo "$count files"
exit $result
