# SPDX-License-Identifier: MIT
# The models in tests/model/ hold, and each rule that they name is needed: broken, the model fails.
# With MPSC_MODEL=exhaustive each model is checked with more of everything as well (some minutes).
set -u
models=$(cd "${srcdir:-.}/tests/model" && pwd) || exit 1
CC=${CC:-cc}

command -v spin >/dev/null 2>&1 || { echo "no spin"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# What is checked, a line each: in the suite, and how much more if it is to be exhaustive.
small() {
    case $1 in
    bias) printf '%s\n' "-DSENDERS=2 -DLIVES=2 -DDEATHS=1" "-DSENDERS=3 -DDEATHS=0" ;;
    control) echo "-DROUNDS=1" ;;
    rendezvous) echo "-DTRIES=1" ;;
    ring) echo "-DONES=2 -DTWOS=1 -DDEATHS=1" ;;
    sleep) printf '%s\n' "-DONES=1 -DTWOS=1 -DDEATHS=1" "-DONES=3 -DTWOS=1 -DDEATHS=0" ;;
    esac
}
large() {
    case $1 in
    bias) printf '%s\n' "-DSENDERS=2 -DLIVES=2 -DCLAIMS=2" "-DSENDERS=3" "-DSENDERS=2 -DLIVES=3" ;;
    control) echo "-DROUNDS=2" ;;
    rendezvous) printf '%s\n' "-DTRIES=2" "-DTRIES=2 -DDEATHS=2" ;;
    ring) printf '%s\n' "-DONES=3 -DTWOS=2 -DDEATHS=2" "-DONES=2 -DTWOS=2 -DDEATHS=1 -DLIMIT=3" ;;
    sleep) printf '%s\n' "-DONES=2 -DTWOS=1 -DDEATHS=1" "-DONES=3 -DTWOS=2 -DDEATHS=0" ;;
    esac
}

# Where the lack of a rule shows soonest, if that is not where the others' does.
soonest() {
    case $1 in
    NOTIFY_BEFORE_COMMIT) echo "-DONES=2 -DTWOS=0 -DDEATHS=0" ;;
    WAKE_ONE) echo "-DONES=3 -DTWOS=1 -DDEATHS=0" ;;
    esac
}

# Optimizing more takes longer than it saves. A model without a rule fails soon: compiling it takes the time, and
# a large table for its states.
whole="$CC -O1"
soon="$(command -v tcc || echo "$CC -O0")"

# The table of states is read here and there: on huge pages, where there are such, that takes a third less.
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1

# holds COMPILER TABLE MODEL DEFINES: 0 it does, 1 it does not, 2 trouble; the last words in $found. The table
# of states has 2^TABLE lists.
holds() {
    local model=$models/$3.pml
    # shellcheck disable=SC2086
    spin -a $4 "$model" >out 2>&1 &&
        $1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=16000 -o pan pan.c >>out 2>&1 &&
        ./pan -m100000 "-w$2" >out 2>&1 || { cat out; return 2; }
    found=$(awk '/errors:/ { e = $NF } /states, stored/ { s = $1 } END { print s " states, errors: " e }' out)
    # A search that was cut short says so.
    grep -qE 'max search depth too small|out of memory|reached -DMEMLIM' out && { cat out; return 2; }
    case $found in
    *"errors: 0") return 0 ;;
    *"errors: "[1-9]*) return 1 ;;
    esac
    cat out
    return 2
}

# Under some configuration the model without this rule fails.
is_needed() {
    local config
    while read -r config; do
        holds "$soon" 20 "$1" "-D$2 $config"
        case $? in
        1) return 0 ;;
        2) return 1 ;;
        esac
    done <<END
$(soonest "$2"; small "$1"; large "$1")
END
    return 1
}

failed=0
for model in bias control rendezvous ring sleep; do
    rules=$(sed -n 's/^ \*   \([A-Z_]\{4,\}\) .*/\1/p' "$models/$model.pml")
    [ -n "$rules" ] || { echo "$model names no rules"; failed=1; }
    while read -r config; do
        if holds "$whole" 23 $model "$config"; then
            echo "$model $config: holds, $found"
        else
            echo "$model $config: FAILS"
            failed=1
        fi
    done <<END
$(small $model; [ "${MPSC_MODEL-}" != exhaustive ] || large $model)
END
    for rule in $rules; do
        if is_needed $model "$rule"; then
            echo "$model without $rule: fails as it must ($found)"
        else
            echo "$model without $rule: HOLDS"
            failed=1
        fi
    done
done
exit $failed
