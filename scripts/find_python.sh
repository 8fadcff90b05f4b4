#!/usr/bin/env bash
# Prints the first CPython 3.10 to 3.13 that can make virtual environments, or one line with the
# reason if none can. PYTHON=... names an interpreter instead of searching PATH.
set -euo pipefail

# 3.13 after the older ones: mmcv has to be built from a patched source there.
candidates=(python3.12 python3.11 python3.10 python3.13 python3 python)

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Prints "cpython 3.11 venv", "cpython 3.11 no-venv", ... Each candidate is run, as version managers
# leave commands on PATH for versions that are not installed.
describe() {
    "$1" - 2>/dev/null <<'PYTHON'
import sys
try:
    import venv, ensurepip
    ensurepip.version()
    able = "venv"
except Exception:
    able = "no-venv"
print("%s %d.%d %s" % (sys.implementation.name, sys.version_info[0], sys.version_info[1], able))
PYTHON
}

supported() {
    case "$1" in
    "cpython 3.10 "* | "cpython 3.11 "* | "cpython 3.12 "* | "cpython 3.13 "*) return 0 ;;
    *) return 1 ;;
    esac
}

no_venv() {
    local version=${2#cpython }
    die "$1 cannot make virtual environments; on Debian or Ubuntu: apt install" \
        "python${version% *}-venv; or name another CPython 3.10 to 3.13 with PYTHON=/path/to/python"
}

if [ -n "${PYTHON:-}" ]; then
    path=$(type -P "$PYTHON") || die "PYTHON=$PYTHON: no such command; CPython 3.10 to 3.13 is needed"
    found=$(describe "$path") || die "PYTHON=$PYTHON does not run; CPython 3.10 to 3.13 is needed"
    supported "$found" || die "PYTHON=$PYTHON is ${found% *}; CPython 3.10 to 3.13 is needed"
    [ "${found##* }" = venv ] || no_venv "$path" "$found"
    echo "$path"
    exit 0
fi

lacking= lacking_found= others=
while read -r path; do
    found=$(describe "$path") || continue
    if ! supported "$found"; then
        others="${others:+$others, }$path is ${found% *}"
    elif [ "${found##* }" = venv ]; then
        echo "$path"
        exit 0
    elif [ -z "$lacking" ]; then
        lacking=$path lacking_found=$found
    fi
done < <(type -aP "${candidates[@]}" || true)

[ -z "$lacking" ] || no_venv "$lacking" "$lacking_found"
die "no CPython 3.10 to 3.13 found on PATH${others:+ ($others)}; install one, or name it with" \
    "PYTHON=/path/to/python (newer ones are not tested)"
