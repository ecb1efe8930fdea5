#!/bin/sh
# SPDX-License-Identifier: MIT
# From C++ a type that is more than its bytes is no message, and the compiler says why; nor are handles
# copied.
set -u

: "${srcdir:=.}" "${CXX:=c++}"
command -v "${CXX%% *}" >/dev/null 2>&1 || { echo "no C++ compiler"; exit 77; }

compile() {
    printf '#include <mpsc.hpp>\n#include <string>\nint main() { %s }\n' "$1" |
        $CXX -std=c++17 -fsyntax-only -I"$srcdir/include" -x c++ - 2>&1
}
failed=0
refused() { # CODE WORDS
    if said=$(compile "$1"); then
        echo "compiles: $1"
        failed=1
    elif ! echo "$said" | grep -q "$2"; then
        printf '%s\nis refused, but not for: %s\n%s\n' "$1" "$2" "$said"
        failed=1
    fi
}

right='auto [tx, rx] = mpsc::channel<int>(); auto more = tx.clone(); return tx.send(1) ? 0 : 1;'
if ! said=$(compile "$right"); then
    printf '%s\nis refused:\n%s\n' "$right" "$said"
    failed=1
fi
refused 'auto both = mpsc::channel<std::string>();' 'must be trivially copyable'
refused 'mpsc::sender<int> tx; auto copy = tx;' 'deleted'
refused 'mpsc::sender<int> tx; mpsc::sender<long> other(std::move(tx));' 'no matching'
exit $failed
