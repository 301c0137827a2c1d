#!/bin/sh
# Builds llama.cpp, which `make bench` measures the engine against, from the PyPI source package
# llama-cpp-python into the ignored folder .peers/llama.cpp/, with its own defaults for this
# processor. Takes a few minutes on two cores; does nothing if it is there.
# Also makes the Q4_0 file that the bench runs, from the demonstration model.
set -eu

package=llama-cpp-python
version=0.3.36
sum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e

root=$(cd "$(dirname "$0")/../.." && pwd)
peer="$root/.peers/llama.cpp"
model="$root/.models/SmolLM2-135M-Instruct.Q4_1.gguf"
requantised="$root/.models/SmolLM2-135M-Instruct.Q4_0.gguf"

fail() {
    echo "build-llama: $*" >&2
    exit 1
}

requantise() {
    [ -f "$model" ] && [ ! -f "$requantised" ] || return 0
    "$peer/bin/llama-quantize" --allow-requantize --pure --token-embedding-type q8_0 \
        "$model" "$requantised.part" q4_0 2 >"$peer/quantize.log" 2>&1 ||
        fail "llama-quantize failed, see $peer/quantize.log"
    mv "$requantised.part" "$requantised"
}

if [ -x "$peer/bin/llama-bench" ] && [ "$(cat "$peer/version" 2>/dev/null)" = "$version" ]; then
    requantise
    echo "llama.cpp is there: $peer/bin" >&2
    exit 0
fi

command -v c++ >/dev/null 2>&1 || fail "needs a C++ compiler: apt-get install g++"
mkdir -p "$peer"
work="$peer/build.$$"
mkdir "$work"
trap 'rm -rf "$work"' EXIT

source="$peer/llama_cpp_python-$version.tar.gz"
if [ ! -f "$source" ]; then
    echo "fetching $package $version from PyPI" >&2
    python3 -m venv "$work/venv"
    "$work/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --no-binary "$package" --dest "$work" "$package==$version" ||
        fail "pip could not download $package: is PyPI reachable?"
    mv "$work/llama_cpp_python-$version.tar.gz" "$source"
fi
echo "$sum  $source" | sha256sum --check --status || fail "$source has another SHA-256 than $sum"
tar -xzf "$source" -C "$work"
python3 -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check \
    cmake==4.4.5 ninja==1.13.2 || fail "pip could not install cmake and ninja"
PATH="$work/tools/bin:$PATH"
export PATH

echo "building llama.cpp (a few minutes on two cores)" >&2
cmake -S "$work/llama_cpp_python-$version/vendor/llama.cpp" -B "$work/cmake" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_OPENSSL=OFF >"$peer/configure.log" 2>&1 || fail "cmake failed, see $peer/configure.log"
nice cmake --build "$work/cmake" -j 2 --target llama-bench llama-batched-bench llama-quantize \
    >"$peer/build.log" 2>&1 || fail "the build failed, see $peer/build.log"
mkdir -p "$peer/bin"
for tool in llama-bench llama-batched-bench llama-quantize; do
    cp "$work/cmake/bin/$tool" "$peer/bin/"
done
echo "$version" >"$peer/version"
requantise
echo "llama.cpp is there: $peer/bin" >&2
