# SPDX-License-Identifier: MIT
# For tests that run what a Markdown file says: its listings and its sessions. Sourced by them.
# shellcheck shell=sh

# listings FILE FOLDER: writes each block of C that begins with "/* NAME.c" into FOLDER/NAME.c.
listings() {
    awk -v folder="$2" '
        /^```/ { file = ""; first = $0 == "```c"; next }
        first { first = 0; if ($1 == "/*" && $2 ~ /^[a-z_]+\.c:?$/) { file = $2; sub(/:$/, "", file) } }
        file != "" { print >(folder "/" file) }' "$1"
}

# sessions FILE FOLDER: writes the blocks of console into FOLDER/session-1, ... and prints how many.
sessions() {
    awk -v folder="$2" '
        /^```/ { inside = 0 }
        inside { print >(folder "/session-" number) }
        $0 == "```console" { inside = 1; number++ }
        END { print number + 0 }' "$1"
}

# with_sessions FILE FOLDER: the file with FOLDER/played-1, ... in place of its blocks of console.
with_sessions() {
    awk -v folder="$2" '
        /^```/ { inside = 0 }
        !inside { print }
        $0 == "```console" {
            inside = 1
            played = folder "/played-" ++number
            while ((getline line <played) > 0)
                print line
        }' "$1"
}

# commands SESSION: what stands after the prompts.
commands() { sed -n 's/^\$ //p' "$1"; }

# play SESSION: runs the commands in a shell, and prints them with what they print.
play() {
    # Each command, and before it one that prints it.
    commands "$1" | sed "h; s/'/'\\\\''/g; s/.*/printf '%s\\\\n' '\$ &'/; p; x" >"$1.sh"
    echo wait >>"$1.sh"
    # A shell that is not at a terminal says more of a killed program than one that is.
    ${SHELL:-sh} "$1.sh" 2>&1 | sed 's/^.*: line [0-9]*: *[0-9]* Killed .*/Killed/'
}
