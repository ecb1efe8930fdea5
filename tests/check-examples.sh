#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples run, and print what they are to show.
set -u

failed=0
# shows PROGRAM ARGUMENT LINES: it prints so many lines of that pattern, and succeeds.
shows() {
    [ -x "./examples/$1" ] || return 0
    # shellcheck disable=SC2086
    if ! said=$("./examples/$1" $2) || [ "$(echo "$said" | grep -c "$4")" -ne "$3" ]; then
        printf 'examples/%s %s: not %d times "%s":\n%s\n' "$1" "$2" "$3" "$4" "$said"
        failed=1
    fi
}

for mode in --threads --processes; do
    shows one_message $mode 1 '^Got: '
    shows ownership $mode 1 '^Got: '
    shows iteration $mode 4 '^Got: '
    shows two_producers $mode 8 '^Got: '
    shows epoll_loop $mode 5 '^channel: result '
    shows epoll_loop $mode 3 '^socket: line '
    shows epoll_loop $mode 2 ': gone$'
    shows uv_loop $mode 5 '^channel: [1-5]$'
    shows uv_loop $mode 1 '^channel: gone$'
done
shows objects '' 3 '^Got: '
shows objects '' 5 '^Destroyed: '
shows two_producers_cpp '' 8 'Got\|got'
[ -x ./examples/uv_loop ] || echo "without examples/uv_loop: no libuv"
exit $failed
