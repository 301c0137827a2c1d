#!/bin/sh
# Builds the C reference of CMW-1 (docs/reference/simulation-cmw1.md), which `make bench` measures
# the simulator against, into the ignored folder .peers.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
source="$root/Tests/Harness/simpeers/cmw_ref.c"
program="$root/.peers/cmw_ref"

# The figures are of gcc.
compiler=${CC:-gcc}
command -v "$compiler" >/dev/null 2>&1 || {
    echo "build-cmw: needs $compiler: apt-get install gcc, or name another in CC" >&2
    exit 1
}
mkdir -p "$root/.peers"
[ "$program" -nt "$source" ] || "$compiler" -std=gnu99 -O2 -o "$program" "$source"
