#!/usr/bin/env bash
# Installs the system packages that are missing, and those it is given. Asks for nothing; says what
# it does.
set -euo pipefail
packages=(libsecp256k1-dev libsodium-dev libcurl4-openssl-dev libsqlite3-dev libpq-dev postgresql
    pkg-config python3-venv unzip "$@")
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' \
        || missing+=("$package")
done
if ((${#missing[@]})); then
    echo "installing ${missing[*]}"
    run=()
    if ((EUID != 0)); then run=(sudo); fi
    "${run[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
fi
command -v swift >/dev/null || {
    echo "Swift 6.2 or later is missing: see https://www.swift.org/install" >&2
    exit 1
}
