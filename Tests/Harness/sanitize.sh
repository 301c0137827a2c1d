#!/usr/bin/env bash
# Builds the tests with a sanitizer, each in a build folder of its own, and runs those of the ledger's
# commit path: sanitize.sh [thread] [address]. Exit code 1 if one of them found anything.
set -uo pipefail
cd "$(dirname "$0")/../.."
kinds=("$@")
if ((!$#)); then kinds=(thread address); fi
# Where threads meet, and where memory is handled by hand.
tests='^(StorageTests|LedgerTests|LedgerServerTests|CommitSimulationTests|ServiceTests)\.'
# Their subject is the C library's own functions, in place of which the sanitizers put theirs.
skipped='PowerCutTests'
# Leaks are not looked for: what lives until the end of a test process is none. A race in a program
# that a test runs ends that program with 66, which the test notices.
export ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=exitcode=66 EXCHEQUER_LEDGER_OPERATIONS=100000
failed=()
for kind in "${kinds[@]}"; do
    folder=.build-$kind
    echo "building for the $kind sanitizer into $folder (the first time takes 10 minutes or more)"
    if ! swift build -c release -j 2 --build-tests --sanitize "$kind" --scratch-path "$folder"; then
        failed+=("$kind (it does not build)")
        continue
    fi
    swift test -c release -j 2 --disable-testable-imports --skip-build --sanitize "$kind" \
        --scratch-path "$folder" --filter "$tests" --skip "$skipped" || failed+=("$kind")
done
if ((${#failed[@]})); then
    echo "found something: ${failed[*]}" >&2
    exit 1
fi
echo "nothing was found: ${kinds[*]}"
