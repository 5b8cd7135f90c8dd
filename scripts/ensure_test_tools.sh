#!/usr/bin/env bash
# Installs what some tests compare with, look through or mount: redis-server, redis-cli,
# redis-benchmark, strace and mkfs.ext4. Without root or apt-get it only says so; those tests are
# then skipped with a reason.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v redis-cli >/dev/null && command -v redis-benchmark >/dev/null || missing+=(redis-tools)
command -v strace >/dev/null || missing+=(strace)
command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${missing[*]}; tests that need them will be skipped" >&2
    exit 0
fi
echo "installing ${missing[*]}"
# RUNLEVEL=1 keeps the package from starting a server of its own.
export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
    echo "could not be installed: ${missing[*]}; tests that need them will be skipped" >&2
