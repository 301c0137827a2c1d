#!/usr/bin/env python3
"""Breaks the code in small ways and demands that a check notices each.

    mutants.py [--list] [--scratch FOLDER] [NAME ...]

Each mutant replaces one text in one file of a scratch copy (made beside the repository unless
given), builds the one product that its check needs, and runs the check, which must fail. Prints a
table; exit code 1 unless every mutant was caught. A mutant that does not apply or does not build
is an error, because it would prove nothing.
"""

import argparse
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The simulator's seeds: enough for the rarest of what a mutant needs.
SEEDS = 3_000


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    # A filter of `swift test`, or None for the simulator.
    tests: str | None = None


MUTANTS = [
    Mutant("acknowledge before the append", "Sources/Service/Commit/CommitCore.swift",
           "        do throws(JournalError) {\n            try append(batch)\n",
           "        batch.release(at: head)\n        do throws(JournalError) {\n"
           "            try append(batch)\n"),
    Mutant("success after a failed append", "Sources/Service/Commit/CommitCore.swift",
           "        batch.fail(.journal(error))\n        buffer.fail",
           "        batch.release(at: head)\n        buffer.fail"),
    Mutant("answer reads before they are durable", "Sources/Service/Commit/CommitCore.swift",
           "if !buffer.isIdle { return add(batch) }", ""),
    Mutant("go on after a failure", "Sources/Service/Commit/CommitBuffer.swift",
           "            state.failure = error\n", ""),
    Mutant("answers in another order", "Sources/Service/Commit/OpenBatch.swift",
           "for one in decided { one.submission.reply(.success(one.outputs)) }",
           "for one in decided.reversed() { one.submission.reply(.success(one.outputs)) }"),
    Mutant("forget a command in the journal", "Sources/Service/Commit/OpenBatch.swift",
           "        entries += next.entries\n",
           "        entries += next.entries.dropLast(next.entries.count > 1 ? 1 : 0)\n"),
    Mutant("a clock behind the journal's time", "Sources/Service/Commit/OpenBatch.swift",
           "latest = max(now, Timestamp(nanoseconds: earliest))", "latest = now"),
    Mutant("a batch written without a sync", "Sources/Storage/File/FileJournal+Writing.swift",
           "try file.writeDurably(buffer, count: record.bytes, at: offset)",
           "try file.write(buffer, count: record.bytes, at: offset)"),
    Mutant("a segment's name without a sync", "Sources/Storage/File/FileJournal.swift",
           "            try disk.syncFolder()\n            return taken",
           "            return taken"),
    Mutant("do not zero a cut tail", "Sources/Storage/File/FileJournal+Recovery.swift",
           "if let torn = scan.torn {\n            // Before",
           "if let torn = scan.torn, torn.sequence == 0 {\n            // Before"),
    Mutant("build on a batch that is not durable",
           "Sources/Storage/File/FileJournal+Recovery.swift",
           "                try home.file.writeDurably(copy, count: end - last.offset, at: last.offset)\n",
           "                _ = copy\n"),
    Mutant("reuse a term", "Sources/Storage/File/FileJournal.swift",
           "max(scan.head.term + 1, options", "max(scan.head.term, options"),
    Mutant("write on after a failed write", "Sources/Storage/File/FileJournal+Writing.swift",
           "                writer.failure = error\n", "", "FileFaultLoopTests"),
    Mutant("accept a wrong hash in the middle", "Sources/Storage/Journal/ChainVerifier.swift",
           "guard hash == batch.hash else { throw .damaged(expected, .hashMismatch) }",
           "_ = hash", "ChainTests"),
    Mutant("start from another history", "Sources/Storage/Snapshots/SnapshotStore+Finding.swift",
           "guard found == head else { throw .otherHistory(head.sequence) }", "_ = found"),
    Mutant("believe a snapshot's bytes", "Sources/Storage/Snapshots/SnapshotFile.swift",
           'guard hash == section.hash else { throw .damaged("the hash of section \\(tag) differs") }',
           "_ = hash", "SnapshotDamageTests"),
    Mutant("name a snapshot before it is synced", "Sources/Storage/Snapshots/SnapshotWriter.swift",
           "            try file.write(buffer, count: SnapshotHeader.bytes, at: 0)\n            try file.sync()\n",
           "            try file.write(buffer, count: SnapshotHeader.bytes, at: 0)\n", "SnapshotCrashTests"),
    Mutant("remove the valid snapshot", "Sources/Storage/Snapshots/SnapshotStore.swift",
           ", other != kept", "", "SnapshotKeepingTests"),
    Mutant("restore a balance unchecked", "Sources/Ledger/LedgerState+Restoring.swift",
           "account.debitsPosted == sums.debitsPosted,", "", "SnapshotHostileTests"),
    Mutant("take a snapshot of no batch", "Sources/Storage/Snapshots/SnapshotHeader.swift",
           'guard sequence > 0 else { throw .damaged("it is of no batch") }', "",
           "SnapshotHostileTests"),
    Mutant("skip an undo", "Sources/Ledger/LedgerState.swift",
           "        for index in undo.resolved { statuses[index] = .pending }\n", ""),
    Mutant("do not undo balances", "Sources/Ledger/LedgerState.swift",
           "        for change in undo.accounts.reversed() { accounts[change.index] = change.before }\n",
           ""),
    Mutant("expire a nanosecond late", "Sources/Ledger/LedgerState+Resolving.swift",
           "first.expiresAt <= at.nanoseconds", "first.expiresAt < at.nanoseconds",
           "LedgerTests"),
    Mutant("do not burn an id", "Sources/Ledger/LedgerState+Transfers.swift",
           "if result.status.isTransient { burn(requests[index].id) }", ""),
    Mutant("a limit without what is pending", "Sources/Ledger/LedgerState+Transfers.swift",
           "debits > debit.creditsPosted {", "debits - debit.debitsPending > debit.creditsPosted {"),
    Mutant("swap two checks", "Sources/Ledger/LedgerState+Transfers.swift",
           "        if request.ledger == 0 { throw .ledgerMustNotBeZero }\n"
           "        if request.code == 0 { throw .codeMustNotBeZero }\n",
           "        if request.code == 0 { throw .codeMustNotBeZero }\n"
           "        if request.ledger == 0 { throw .ledgerMustNotBeZero }\n", "LedgerTests"),
    Mutant("a state hash that is not compared", "Sources/Storage/Replay/Replay.swift",
           "guard machine.stateHash == next.stateHash else {",
           "guard next.sequence > 0 else {", "AuditTests|SQLiteDamageTests|RecoveryTests"),
    Mutant("a standby that keeps its leader's term", "Sources/Service/Standby/StandbyBooks.swift",
           "max(state.mark.term, head.term) + 1", "max(state.mark.term, head.term)",
           "ReplicationTests"),
    Mutant("a standby that grants an older term", "Sources/Service/Standby/StandbyBooks.swift",
           "guard isSame || term > state.mark.term, term >=", "guard isSame || term > 0, term >=",
           "StandbyRulesTests"),
    Mutant("a standby that takes an older leader back",
           "Sources/Service/Standby/StandbyBooks.swift",
           "if hello.isGranted, !isKnown || hello.term < state.mark.term {",
           "if hello.isGranted, hello.term == 0 {", "ReplicationTests"),
    Mutant("a standby that takes anyone's batches", "Sources/Service/Standby/StandbyBooks.swift",
           "guard state.session == session else {", "guard state.session != nil else {",
           "StandbyRulesTests"),
    Mutant("a standby that forgets its promotion", "Sources/Service/Standby/StandbyBooks.swift",
           "                try state.mark.write(to: options.mark)\n"
           "                try journal.close()\n", "                try journal.close()\n",
           "ReplicationTests"),
    Mutant("a standby of an async leader that takes over by itself",
           "Sources/Service/Standby/StandbyBooks.swift",
           "return state.isInSync && state.allowsTakeover &&", "return state.isInSync &&",
           "FailoverTests|StandbyCommandTests"),
    Mutant("a leader that does not wait for its standby",
           "Sources/Service/Standby/ReplicatedJournal.swift",
           "                try replicator.wait(for: batch.sequence)\n", "", "ReplicationTests"),
    Mutant("a leader that writes into a standby's copy", "Sources/Storage/Journal/JournalPlace.swift",
           "if let mark, mark.term > 0, !mark.isPromoted {", "if let mark, mark.term == 0 {",
           "JournalPlaceTests|StandbyCommandTests"),
    Mutant("a house on another one's journal", "Sources/Service/House/HouseJournal.swift",
           "            try checkIsOurs()\n", "", "HouseJournalTests"),
]


def run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")


def check(mutant: Mutant, folder: pathlib.Path) -> str:
    """What became of one mutant: caught, MISSED, or why it proves nothing."""
    path = folder / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        return f"does not apply ({text.count(mutant.old)} places)"
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        build = ["swift", "build", "-c", "release", "-j", "2"]
        build += ["--build-tests"] if mutant.tests else ["--product", "commitsimulator"]
        built = run(build, folder)
        if built.returncode != 0:
            print(built.stdout[-1_500:], file=sys.stderr)
            return "does not build"
        if mutant.tests:
            test = ["swift", "test", "-c", "release", "--disable-testable-imports", "--skip-build"]
            found = run(test + ["--filter", mutant.tests], folder)
        else:
            found = run([".build/release/commitsimulator", "1", str(SEEDS)], folder)
        if found.returncode == 0:
            return "MISSED"
        lines = [line for line in found.stdout.splitlines() if "FAILED" in line]
        return "caught" + (f": {lines[0][8:]}" if lines else "")
    finally:
        path.write_text(text)


def scratch_copy(folder: pathlib.Path) -> None:
    """A copy that can be broken, with the build folder, so that each build is a small one."""
    if folder.exists():
        return
    print(f"copying to {folder}")
    shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(".git", ".models"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the mutants and end")
    parser.add_argument("--scratch", type=pathlib.Path, default=ROOT.parent / "exchequer-mutants")
    parser.add_argument("names", nargs="*", help="only these (a part of a name is enough)")
    options = parser.parse_args()
    chosen = [
        mutant for mutant in MUTANTS
        if not options.names or any(name in mutant.name for name in options.names)
    ]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:40} {mutant.tests or 'simulation':24} {mutant.file}")
        return 0
    scratch_copy(options.scratch)
    failures = 0
    for number, mutant in enumerate(chosen, 1):
        start = time.monotonic()
        result = check(mutant, options.scratch)
        failures += not result.startswith("caught")
        seconds = time.monotonic() - start
        print(f"{number:2}/{len(chosen)} {mutant.name:40} {seconds:5.0f} s  {result}", flush=True)
    print(f"{len(chosen) - failures} of {len(chosen)} mutants were caught")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
