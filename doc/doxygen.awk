# SPDX-License-Identifier: MIT
# Makes of include/mpsc.h what Doxygen reads: plain comments become its own, and several declarations in
# a row that share a comment get it each. Other files pass as they are.
FILENAME !~ /mpsc\.h$/ { print; next }

# A blank line parts a comment from what it does not speak of.
/^$/ { comment = "" }

/^\/\*/ && !/SPDX|clang-format|-----/ {
    inside = 1
    comment = ""
    used = 0
    $0 = "/**" (opened++ ? "" : " @file") substr($0, 3)
}
inside {
    comment = comment $0 "\n"
    print
    inside = !/\*\/$/
    next
}
/^(MPSC_MUST_USE|void|size_t|const char) / {
    if (used++)
        printf "%s", comment
}
# After a member, or a constant.
/^( +[^ ].*[,;0-9]|#define [A-Z_]+ [^\/]*[^\/ ]) +\/\* / { sub(/\/\*/, "/**<") }
{ print }
