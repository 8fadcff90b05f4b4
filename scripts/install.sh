#!/usr/bin/env bash
# Makes the virtual environment .venv with the project and everything it needs; does nothing if it
# is complete. docs/en/install.md lists what can go wrong.
#
#   bash scripts/install.sh             into .venv; PYTHON=/path/to/python3.11 picks the interpreter
#   bash scripts/install.sh --active    into the virtual or conda environment that is active now
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
python=$venv/bin/python
mark=$venv/.made-here   # this script made the environment, at this path, and may replace it
stamp=$venv/.installed  # fingerprint of a complete installation; written last
log=$venv/pip.log
needed_gb=8

unset PYTHONHOME PYTHONPATH # packages found through these would count as installed
export PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf 'install: %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

trap 'echo >&2; say "interrupted; the same command resumes"; exit 130' INT TERM

fingerprint() { { pwd -P; cat pyproject.toml requirements/build.txt; } | cksum; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null 2>/dev/null; }

# True if .venv works, has the Python asked for, and was not moved (it contains its own path).
is_healthy() {
    local version
    version=$(version_of "$python") || return 1
    [ ! -e "$mark" ] || [ "$(cat "$mark")" = "$(pwd -P)" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$version" = "$(version_of "$PYTHON")" ]
}

is_complete() { [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ] && is_healthy; }

# True if .venv is a link to the environment that another checkout made and still uses.
is_shared() {
    local owner
    owner=$(cat "$mark" 2>/dev/null) && [ "$owner" != "$(pwd -P)" ] && [ "$venv/" -ef "$owner/$venv/" ]
}

# True if starting over loses nothing that the user made.
is_free() {
    [ -z "$(ls -A "$venv" 2>/dev/null)" ] ||
        { [ -e "$mark" ] && { [ ! -e "$stamp" ] || ! is_healthy; }; }
}

make_venv() {
    local base free_kb
    base=$(bash scripts/find_python.sh) || exit 1
    # Emptied rather than removed, so that .venv may be a link to a folder on a larger disk.
    mkdir -p "$venv/"
    find "$venv/" -mindepth 1 -delete
    free_kb=$(df -Pk "$venv/" | awk 'NR == 2 { print $4 }')
    [ "$free_kb" -ge $((needed_gb * 1024 * 1024)) ] ||
        say "$((free_kb / 1024 / 1024)) GB are free here and about $needed_gb GB are needed"
    pwd -P >"$mark"
    say "making $venv with $base (Python $(version_of "$base"))"
    # By its own name, as venv refuses a link.
    "$base" -m venv "$(cd "$venv" && pwd -P)" </dev/null || die "$base -m venv failed"
}

# pip install, with setuptools held back where a package is built from source (mmcv is).
pip_install() {
    local options=()
    if [[ "$("$python" -m pip install --help)" == *--build-constraint* ]]; then
        options=(--build-constraint requirements/build.txt)
    else
        # Older pip hands only its environment on to builds. The path is relative to this folder
        # because pip splits the variable at spaces.
        local -x PIP_CONSTRAINT="${PIP_CONSTRAINT:+$PIP_CONSTRAINT }requirements/build.txt"
    fi
    rm -f "$log"
    "$python" -m pip install --log "$log" ${options[@]+"${options[@]}"} "$@" </dev/null || explain
}

# mmcv is published as source that does not build on Python 3.13: there, a wheel comes first that is
# made of the source with few lines changed.
own_mmcv() {
    local wheel
    case "$(version_of "$python")" in 3.1[0-2]) return ;; esac
    ! "$python" -m pip show -q mmcv 2>/dev/null || return 0
    say "building mmcv from its source, changed for this Python (scripts/build_mmcv.py)"
    wheel=$("$python" scripts/build_mmcv.py "${TMPDIR:-/tmp}") || exit 1
    pip_install --no-deps "$wheel"
    rm -f "$wheel"
}

explain() {
    local cause="pip's message is above and in $log"
    if grep -q 'No space left on device' "$log" 2>/dev/null; then
        cause="the disk is full"
    elif grep -q 'CERTIFICATE_VERIFY_FAILED' "$log" 2>/dev/null; then
        cause="this machine does not trust the certificate of the package index"
    elif grep -qE 'connection broken by|NewConnectionError|ProxyError' "$log" 2>/dev/null; then
        cause="the package index cannot be reached"
    fi
    die "not installed: $cause; docs/en/install.md has the remedies, then run the same command again"
}

# Imports everything once; status 3 means that OpenCV lacks the libraries of a graphical system.
check() {
    local status=0
    "$python" scripts/check_install.py || status=$?
    if [ $status -eq 3 ] && [ -e "$mark" ]; then
        say "installing the OpenCV without windows instead, which does not need it"
        "$python" -m pip uninstall -q -y opencv-python
        pip_install -q --no-deps --force-reinstall opencv-python-headless
        status=0
        "$python" scripts/check_install.py || status=$?
    fi
    [ $status -ne 3 ] || die "OpenCV does not load: apt install libgl1 libglib2.0-0, or see docs/en/install.md"
    [ $status -eq 0 ] || exit 1
}

into_venv() {
    if command -v flock >/dev/null; then # two installs at the same time would damage each other
        exec 9<"$PWD/scripts/install.sh"
        flock -n 9 || { say "waiting for another install to end"; flock 9; }
    fi
    is_complete && return
    ! is_shared ||
        die "$venv is a link to the environment of $(cat "$mark"): remove the link to make another one here, or use $python without make"
    if is_free; then
        make_venv
    elif ! is_healthy || ! "$python" -m pip --version >/dev/null 2>&1; then
        die "$venv was not made by this script and has no working Python with pip: remove it and run this again"
    fi
    own_mmcv
    pip_install -e '.[dev]'
    check
    fingerprint >"$stamp"
}

into_active() {
    local rest
    [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] || die "--active: no virtual or conda environment is active"
    python=$(type -P python) || die "--active: the active environment has no python"
    mark=/nonexistent log=$(mktemp) rest=$(mktemp)
    if "$python" -m pip show -q mmcv-full 2>/dev/null; then
        say "mmcv-full is here and serves as mmcv"
        pip_install --no-deps -e .
        "$python" scripts/check_install.py --list-requirements >"$rest"
        pip_install -r "$rest"
    else
        own_mmcv
        pip_install -e .
    fi
    check
    rm -f "$log" "$rest"
}

case "${1:-}" in
'') into_venv ;;
--active) into_active ;;
*) sed -n '2,6s/^#\( \|$\)//p' "${BASH_SOURCE[0]}" ;;
esac
