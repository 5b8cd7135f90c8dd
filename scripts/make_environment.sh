#!/usr/bin/env bash
# make_environment.sh LOCK_FILE: a virtual environment in .venv with exactly the locked packages.
set -euo pipefail
cd "$(dirname "$0")/.."
lock_file=$1

usable() {
    # venv and ensurepip are separate packages on some systems, so they are asked for, too.
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null && usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "Kiwi Engine needs Python 3.11 or later with its venv module, and found none on PATH." >&2
    echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
    exit 1
}

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python)
    echo "creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
echo "installing $lock_file"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$lock_file"
