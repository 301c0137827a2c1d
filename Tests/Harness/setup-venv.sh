#!/bin/sh
# Makes a Python environment: the project's (.venv at the root, from requirements-chain.txt) unless
# told otherwise.
# Does nothing when it is up to date: the environment keeps the hash of what it was made from.
# Usage: Tests/Harness/setup-venv.sh [DIRECTORY [REQUIREMENTS]]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
requirements=${2:-$here/requirements-chain.txt}
venv=${1:-$(cd "$here/../.." && pwd)/.venv}
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null 2>&1; then
    echo "setup-venv: $python not found; on Debian: apt-get install python3 python3-venv" >&2
    exit 1
fi

# Another Python or other requirements make another environment.
wanted=$( { "$python" --version; cat "$requirements"; } | sha256sum | cut -d' ' -f1)
stamp="$venv/.requirements-hash"
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { # run TEXT COMMAND...: says what it does, shows the output only if it fails
    printf 'python environment: %s\n' "$1" >&2
    shift
    "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        echo "setup-venv: failed: $*" >&2
        exit 1
    }
}

started=$(date +%s)
rm -f "$stamp"
run "creating $venv" "$python" -m venv "$venv" || exit 1
run "installing the pinned packages (about half a minute)" \
    "$venv/bin/python" -m pip install --disable-pip-version-check -r "$requirements"
run "checking that they fit together" "$venv/bin/python" -m pip check
printf '%s\n' "$wanted" >"$stamp"
echo "python environment: ready after $(($(date +%s) - started)) s" >&2
