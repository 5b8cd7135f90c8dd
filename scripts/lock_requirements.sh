#!/usr/bin/env bash
# Makes requirements.txt and requirements-dev.txt anew: newest versions that pyproject.toml allows,
# with the hashes of all their files, so that one lock serves every Python and platform.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools

compile() {
    "$work/venv/bin/pip-compile" --quiet --upgrade --strip-extras --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@" pyproject.toml
}

compile --output-file requirements.txt
compile --extra test --extra dev --extra ecosystem --constraint requirements.txt \
    --output-file requirements-dev.txt
sed -i '1i # Made by `make lock`: exact versions, with the hashes of all their files.' \
    requirements.txt requirements-dev.txt
