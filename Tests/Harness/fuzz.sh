#!/bin/sh
# Fuzzes the text side of the engine and the wire with libFuzzer: model files, encoding, decoding,
# chats, schemas, frames.
# Builds into .build/fuzz; finds stay in .build/fuzz/corpus, an input that fails in the folder
# .build/fuzz/failures.
# Usage: Tests/Harness/fuzz.sh [SECONDS EACH] [TARGET...]
set -eu

seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-gguf encode decode chat schema frame}
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
scratch=.build/fuzz
vocabularies=Tests/Fixtures/tokenizer-vectors
model=.models/SmolLM2-135M-Instruct.Q4_1.gguf
[ -f "$model" ] || { echo "fuzz: no $model: run \`make model\`" >&2; exit 1; }

# The backtracer would take over the signals that libFuzzer handles.
export SWIFT_BACKTRACE=enable=no
export EXCHEQUER_FUZZ=1
echo "building the fuzz targets into $scratch" >&2
mkdir -p "$scratch/failures"
{
    swift build -c release -j 2 --scratch-path "$scratch" --product Fuzz \
        -Xswiftc -sanitize=fuzzer -Xcc -fsanitize=fuzzer-no-link &&
        swiftc -sanitize=fuzzer "$scratch/release/libFuzz.a" -lsodium -lsecp256k1 \
            -o "$scratch/fuzz"
} >"$scratch/build.log" 2>&1 || { tail -40 "$scratch/build.log" >&2; exit 1; }

export EXCHEQUER_FUZZ_VOCABULARIES="$model:$vocabularies/sentence-pieces-prefixed.gguf"
EXCHEQUER_FUZZ_VOCABULARIES="$EXCHEQUER_FUZZ_VOCABULARIES:$vocabularies/sentence-pieces-plain.gguf"
# Each schema of the tests, and some choices.
python3 - "$scratch/schemas" <<'END'
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rows = json.loads(pathlib.Path("Tests/Fixtures/structured-outputs.json").read_text())
for number, row in enumerate(rows):
    choices = bytes((number * 37 + place * 11) % 256 for place in range(24))
    (folder / str(number)).write_bytes(json.dumps(row["schema"]).encode() + b"\0" + choices)
END
# A frame of each kind whose fields are small, with payloads of a few lengths.
python3 - "$scratch/frames" <<'END'
import pathlib, struct, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
shapes = ((0, 0), (0, 4), (0, 64), (1, 4), (2, 8), (1, 16), (2, 32), (1, 12), (2, 48))
for kind in range(1, 18):
    for count, size in shapes:
        head = struct.pack("<BBHQIIII", 1, kind, 1, 7, 1, 3, count, size)
        (folder / f"{kind}-{count}-{size}").write_bytes(head + bytes(range(size)))
END
for target in $targets; do
    corpus="$scratch/corpus/$target"
    mkdir -p "$corpus"
    case $target in
    gguf) seeds=$vocabularies length=65536 ;;
    schema) seeds=$scratch/schemas length=4096 ;;
    frame) seeds=$scratch/frames length=4096 ;;
    *) seeds=docs length=2048 ;;
    esac
    EXCHEQUER_FUZZ_TARGET=$target "$scratch/fuzz" -max_total_time="$seconds" -max_len="$length" \
        -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$scratch/failures/$target-" "$corpus" "$seeds" 2>"$scratch/$target.log" ||
        { tail -40 "$scratch/$target.log" >&2; exit 1; }
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: */executions /p' "$scratch/$target.log")"
done
