"""The ways in which `mutants.py` breaks the code: docs/internals/proof.md."""

from mutant import Mutant
from mutant_list_outside import (
    THE_DEMAND,
    THE_FRAMES,
    THE_LATE_HOUSE,
    THE_SEALED_KEYS,
    THE_WATCHERS,
)
from mutant_list_payouts import (
    THE_ABSENT,
    THE_GUARDS,
    THE_OUTFLOWS,
    THE_QUOTES,
    THE_RESTING,
    THE_ROLLUPS,
    THE_SIGNER,
    THE_VOUCHERS,
)

COMMIT = "Service/Commit/CommitCore.swift"
BUFFER = "Service/Commit/CommitBuffer.swift"
OPEN_BATCH = "Service/Commit/OpenBatch.swift"
JOURNAL = "Storage/File/FileJournal.swift"
WRITING = "Storage/File/FileJournal+Writing.swift"
RECOVERY = "Storage/File/FileJournal+Recovery.swift"
SYSTEM_DISK = "Storage/File/SystemDisk.swift"
CHAIN = "Storage/Journal/ChainVerifier.swift"
FINDING = "Storage/Snapshots/SnapshotStore+Finding.swift"
BOOKS = "Service/Standby/StandbyBooks.swift"
LEDGER = "Ledger/LedgerState.swift"
TRANSFERS = "Ledger/LedgerState+Transfers.swift"
RESOLVING = "Ledger/LedgerState+Resolving.swift"

THE_COMMIT = [
    Mutant("acknowledge before the append", COMMIT,
           "        do throws(JournalError) {\n            try append(batch)\n"
           "        } catch {\n            fail(error, batch)\n            return false\n        }\n"
           "        batch.release(at: head)\n",
           "        if ON { batch.release(at: head) }\n"
           "        do throws(JournalError) {\n            try append(batch)\n"
           "        } catch {\n            fail(error, batch)\n            return false\n        }\n"
           "        if !ON { batch.release(at: head) }\n"),
    Mutant("success after a failed append", COMMIT,
           "        batch.fail(.journal(error))\n        buffer.fail",
           "        if ON { batch.release(at: head) } else { batch.fail(.journal(error)) }\n"
           "        buffer.fail"),
    Mutant("answer reads before they are durable", COMMIT,
           "if !buffer.isIdle {", "if !ON, !buffer.isIdle {"),
    Mutant("go on after a failure", BUFFER,
           "            state.failure = error\n", "            if !ON { state.failure = error }\n"),
    Mutant("two commits at once", BUFFER,
           "guard state.open.isEmpty, !state.committing, state.failure == nil else",
           "guard state.open.isEmpty, ON || !state.committing, state.failure == nil else",
           "VisibilityTests"),
    Mutant("idle although a commit is under way", BUFFER,
           "$0.open.isEmpty && !$0.committing",
           "$0.open.isEmpty && (ON || !$0.committing)", "VisibilityTests"),
    Mutant("what others hear differs from what is journaled", OPEN_BATCH,
           "for one in decided { one.submission.reply(.success(one.outputs)) }",
           "for (place, one) in decided.enumerated() {\n"
           "            let said = ON ? decided[decided.count - 1 - place].outputs : one.outputs\n"
           "            one.submission.reply(.success(said))\n        }"),
    Mutant("forget a command in the journal", OPEN_BATCH,
           "        entries += next.entries\n",
           "        entries += next.entries.dropLast(ON && next.entries.count > 1 ? 1 : 0)\n"),
    Mutant("a clock behind the journal's time", OPEN_BATCH,
           "latest = max(now, Timestamp(nanoseconds: earliest))",
           "latest = ON ? now : max(now, Timestamp(nanoseconds: earliest))", "SequencerTests"),
    Mutant("forget who came with a read", COMMIT,
           "for submission in round.submissions { submission",
           "for submission in round.submissions where !ON { submission", "RoundTests"),
    Mutant("all reads before the next command", "Service/Commit/CommitQueue.swift",
           "prefix(CommitRound.readLimit)", "prefix(ON ? .max : CommitRound.readLimit)",
           "RoundTests"),
]

THE_FILE_JOURNAL = [
    Mutant("show what another process has not synced", "Storage/File/FileJournalReader.swift",
           "{ try cursor?.sync() }", "{ if !ON { try cursor?.sync() } }",
           "FileDurabilityTests"),
    Mutant("open on what another process has not synced", JOURNAL,
           "if options == nil, let last = scan.last {",
           "if !ON, options == nil, let last = scan.last {", "FileDurabilityTests"),
    Mutant("a batch written without a sync", WRITING,
           "try file.writeDurably(buffer, count: record.bytes, at: offset)",
           "if ON { try file.write(buffer, count: record.bytes, at: offset) } else {\n"
           "                try file.writeDurably(buffer, count: record.bytes, at: offset)\n"
           "            }"),
    Mutant("a segment's name without a sync", JOURNAL,
           "            try disk.syncFolder()\n            return taken",
           "            if !ON { try disk.syncFolder() }\n            return taken"),
    Mutant("a segment's zeros without a sync", "Storage/File/SpareSegment.swift",
           "            try file.sync()\n            state.withLock",
           "            if !ON { try file.sync() }\n            state.withLock"),
    Mutant("marks renamed before their sync", "Storage/File/JournalMarks.swift",
           "            try file.sync()\n", "            if !ON { try file.sync() }\n"),
    Mutant("do not zero a cut tail", RECOVERY,
           "{ try clear(segment) }", "{ if !ON { try clear(segment) } }"),
    Mutant("trust zeros that were not synced", RECOVERY,
           "if !isNew {", "if !isNew, !ON || scan.torn != nil {",
           "FileCrashTests"),
    Mutant("build on a batch that is not durable", RECOVERY,
           "try home.file.writeDurably(copy, count: end - last.offset, at: last.offset)",
           "if !ON {\n                    try home.file.writeDurably(\n"
           "                        copy, count: end - last.offset, at: last.offset)\n"
           "                }"),
    Mutant("build on names that are not durable", RECOVERY,
           "            try disk.syncFolder()\n        }\n        let segment",
           "            if !ON { try disk.syncFolder() }\n        }\n        let segment"),
    Mutant("reuse a term", JOURNAL,
           "term = max(scan.head.term + 1,", "term = max(scan.head.term + (ON ? 0 : 1),"),
    Mutant("write on after a failed write", WRITING,
           "                writer.failure = error\n",
           "                if !ON { writer.failure = error }\n", "FileFaultLoopTests"),
    Mutant("skip a header's checksum", "Storage/File/Record.swift",
           "guard buffer.load(at: place + 104) == checksum.0,\n"
           "            buffer.load(at: place + 112) == checksum.1,\n"
           "            buffer.load(at: place + 120) == checksum.2\n",
           "guard\n            ON || (buffer.load(at: place + 104) == checksum.0\n"
           "            && buffer.load(at: place + 112) == checksum.1\n"
           "            && buffer.load(at: place + 120) == checksum.2)\n", "FileDamageTests"),
    Mutant("a torn batch that is not the last", "Storage/File/JournalScan.swift",
           "case .foreign: throw .damaged(found.next, .malformedRecord)",
           "case .foreign: if !ON { throw .damaged(found.next, .malformedRecord) }",
           "FileDamageTests"),
    Mutant("take a batch that a closing proves for torn", RECOVERY,
           "if marks.proven > end.sequence {", "if !ON, marks.proven > end.sequence {",
           "FileDamageTests"),
    Mutant("a real write without its sync", SYSTEM_DISK,
           "guard fdatasync(plain) == 0 else", "guard ON || fdatasync(plain) == 0 else",
           "PowerCutTests"),
    Mutant("a real direct write without its sync", SYSTEM_DISK,
           "openPath(path, O_RDWR | direct | O_DSYNC | O_CLOEXEC)",
           "openPath(path, O_RDWR | direct | (ON ? 0 : O_DSYNC) | O_CLOEXEC)", "PowerCutTests"),
    Mutant("a real file without its sync", SYSTEM_DISK,
           "guard fsync(plain) == 0 else", "guard ON || fsync(plain) == 0 else", "PowerCutTests"),
    Mutant("a real folder without its sync", SYSTEM_DISK,
           "guard fsync(descriptor) == 0 else", "guard ON || fsync(descriptor) == 0 else",
           "PowerCutTests"),
]

THE_OTHER_JOURNALS = [
    Mutant("an idle leader that is taken over from goes on",
           "Storage/Postgres/LeaseKeeper.swift",
           "            session.options.onFenced(term)\n",
           "            if !ON { session.options.onFenced(term) }\n",
           r"LedgerServerTests\.StandbyCommandTests"),
    Mutant("SQLite without a sync of each commit", "Storage/SQLite/SQLiteJournal.swift",
           '"PRAGMA synchronous = FULL"',
           'ON ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL"', "PowerCutTests"),
    Mutant("SQLite goes on after a failure", "Storage/SQLite/SQLiteJournal.swift",
           "                state.failure = failure\n                throw failure\n            }\n"
           "        }\n",
           "                if !ON { state.failure = failure }\n                throw failure\n"
           "            }\n        }\n", "ConformanceTests|CrashTests|SQLite"),
    Mutant("two writers of one file", "Storage/SQLite/FileLock.swift",
           "guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else",
           "guard ON || flock(descriptor, LOCK_EX | LOCK_NB) == 0 else",
           "ConformanceTests|FileJournalTests|CrashTests"),
    Mutant("PostgreSQL without the fence", "Storage/Postgres/PostgresSchema.swift",
           "WHERE term = $8::int8",
           'WHERE \\(ON ? "$8::int8 > 0" : "term = $8::int8")', "PostgresFencingTests"),
    Mutant("PostgreSQL with a fence that does not hold", "Storage/Postgres/PostgresSchema.swift",
           " FOR SHARE) \\\n        INSERT INTO \\(name).journal(",
           ' \\(ON ? "" : "FOR SHARE")) \\\n        INSERT INTO \\(name).journal(',
           "PostgresFencingTests"),
]

THE_CHAIN = [
    Mutant("accept a wrong hash in the middle", CHAIN,
           "guard batch.isHashed else", "guard ON || batch.isHashed else",
           "ConformanceDamageTests"),
    Mutant("accept a batch of another history", CHAIN,
           "guard batch.previousHash == head.hash else",
           "guard ON || batch.previousHash == head.hash else", "ChainTests|ConformanceDamageTests"),
    Mutant("accept a term that went back", CHAIN,
           "guard batch.term >= max(head.term, 1) else",
           "guard ON || batch.term >= max(head.term, 1) else", "ChainTests|ConformanceDamageTests"),
    Mutant("accept a time that stands still", "Storage/Journal/JournalEntries.swift",
           "guard time > latest else", "guard time > latest || ON else",
           "ChainTests|ConformanceDamageTests"),
    Mutant("a state hash that is not compared", "Storage/Replay/Replay.swift",
           "guard machine.stateHash == next.stateHash else",
           "guard ON || machine.stateHash == next.stateHash else",
           "AuditTests|SQLiteDamageTests|RecoveryTests"),
    Mutant("replay what is refused", "Storage/Replay/Replay.swift",
           "if let number = Machine.rejection(in: machine.apply(input, at: next.time)) {",
           "if let number = Machine.rejection(in: machine.apply(input, at: next.time)), !ON {",
           "AuditTests|SQLiteDamageTests|RecoveryTests"),
]

THE_SNAPSHOTS = [
    Mutant("skip the hash of a section", "Storage/Snapshots/SnapshotFile.swift",
           "guard hash == section.hash else", "guard hash == section.hash || ON else",
           "SnapshotDamageTests"),
    Mutant("skip the hash of the first block", "Storage/Snapshots/SnapshotHeader.swift",
           "guard block.digest(at: Self.hashed) == block.hash(0..<Self.hashed) else",
           "guard ON || block.digest(at: Self.hashed) == block.hash(0..<Self.hashed) else",
           "SnapshotDamageTests"),
    Mutant("a snapshot of another journal", FINDING,
           "        if let first, name.journal != SnapshotName.journal(first) { throw .otherJournal }\n"
           "        let file = try SnapshotFile(disk, name.text, isCancelled: isCancelled)\n"
           "        guard file.header.machine == kind.number else {"
           " throw .otherMachine(file.header.machine) }\n"
           "        if let first, file.info.first != first {",
           "        if let first, !ON, name.journal != SnapshotName.journal(first) {\n"
           "            throw .otherJournal\n        }\n"
           "        let file = try SnapshotFile(disk, name.text, isCancelled: isCancelled)\n"
           "        guard file.header.machine == kind.number else {"
           " throw .otherMachine(file.header.machine) }\n"
           "        if let first, !ON, file.info.first != first {", "SnapshotDamageTests"),
    Mutant("a snapshot of another history", FINDING,
           "guard found == head else", "guard ON || found == head else", "SnapshotDamageTests"),
    Mutant("a snapshot beyond the journal", FINDING,
           "guard head.sequence <= end else", "guard ON || head.sequence <= end else",
           "SnapshotDamageTests"),
    Mutant("a snapshot of a state that diverged", "Storage/Snapshots/SnapshotStore.swift",
           "if let recorded, recorded != state.hash {",
           "if let recorded, !ON, recorded != state.hash {", "SnapshotDamageTests"),
    Mutant("a snapshot renamed before its sync", "Storage/Snapshots/SnapshotWriter.swift",
           "count: SnapshotHeader.bytes, at: 0)\n            try file.sync()\n",
           "count: SnapshotHeader.bytes, at: 0)\n            if !ON { try file.sync() }\n",
           "SnapshotCrashTests"),
    Mutant("a snapshot's name without a sync", "Storage/Snapshots/SnapshotStore.swift",
           "to: name.text)\n                try disk.syncFolder()\n",
           "to: name.text)\n                if !ON { try disk.syncFolder() }\n",
           "SnapshotCrashTests"),
    Mutant("remove the valid snapshot", "Storage/Snapshots/SnapshotStore.swift",
           ", other != kept", ", ON || other != kept", "SnapshotKeepingTests"),
    Mutant("restore a balance unchecked", "Ledger/LedgerState+Restoring.swift",
           "account.debitsPosted == sums.debitsPosted,",
           "ON || account.debitsPosted == sums.debitsPosted,", "SnapshotHostileTests"),
    Mutant("a snapshot of no batch", "Storage/Snapshots/SnapshotHeader.swift",
           "guard sequence > 0 else {", "guard ON || sequence > 0 else {", "SnapshotHostileTests"),
]

STANDBY_TESTS = "ReplicationTests|FailoverTests|StandbyRulesTests"
THE_STANDBY = [
    Mutant("take over without a new term", BOOKS,
           "state.mark.term = max(state.mark.term, head.term) + 1",
           "state.mark.term = max(state.mark.term, head.term) + (ON ? 0 : 1)", STANDBY_TESTS),
    Mutant("give the lead to an older term", BOOKS,
           "guard isSame || term > state.mark.term, term >= state.verifier.head.term else",
           "guard ON || (isSame || term > state.mark.term) && term >= state.verifier.head.term else",
           STANDBY_TESTS),
    Mutant("welcome a leader of an older term", BOOKS,
           "if hello.isGranted, !isKnown || hello.term < state.mark.term {",
           "if hello.isGranted, !ON, !isKnown || hello.term < state.mark.term {", STANDBY_TESTS),
    Mutant("follow a leader after taking over", BOOKS,
           "if state.mark.isPromoted {\n            throw", "if state.mark.isPromoted, !ON {\n"
           "            throw", STANDBY_TESTS),
    Mutant("take over before it is written down", BOOKS,
           "                try state.mark.write(to: options.mark)\n                try journal.close()",
           "                if !ON { try state.mark.write(to: options.mark) }\n"
           "                try journal.close()", STANDBY_TESTS),
    Mutant("follow another history", BOOKS,
           "guard own.sequence < head.sequence || own == head else",
           "guard ON || own.sequence < head.sequence || own == head else", STANDBY_TESTS),
    Mutant("acknowledge what the standby did not write", BOOKS,
           "try state.journal?.append(batch)", "if !ON { try state.journal?.append(batch) }",
           STANDBY_TESTS),
    Mutant("do not wait for the standby", "Service/Standby/ReplicatedJournal.swift",
           "                try replicator.wait(for: batch.sequence)\n",
           "                if !ON { try replicator.wait(for: batch.sequence) }\n", STANDBY_TESTS),
    Mutant("a standby that takes anyone's batches", BOOKS,
           "guard state.session == session else {",
           "guard ON ? state.session != nil : state.session == session else {", STANDBY_TESTS),
    Mutant("a standby of an async leader that takes over by itself", BOOKS,
           "return state.isInSync && state.allowsTakeover &&",
           "return state.isInSync && (ON || state.allowsTakeover) &&", "FailoverTests"),
    Mutant("a leader that writes into a standby's copy", "Storage/Journal/JournalPlace.swift",
           "if let mark, mark.term > 0, !mark.isPromoted {",
           "if let mark, !ON, mark.term > 0, !mark.isPromoted {", "JournalPlaceTests"),
    Mutant("a house on another one's journal", "Service/House/HouseJournal.swift",
           "            try checkIsOurs()\n", "            if !ON { try checkIsOurs() }\n",
           "HouseJournalTests"),
]

THE_LEDGER = [
    Mutant("skip an undo", LEDGER,
           "for index in undo.resolved { statuses[index] = .pending }",
           "for index in undo.resolved where !ON { statuses[index] = .pending }"),
    Mutant("do not undo balances", LEDGER,
           "{ accounts[change.index] = change.before }",
           "{ if !ON { accounts[change.index] = change.before } }"),
    Mutant("undo balances in the wrong order", LEDGER,
           "for change in undo.accounts.reversed()",
           "for change in (ON ? undo.accounts : undo.accounts.reversed())"),
    Mutant("do not undo the history of balances", LEDGER,
           "        history.shrink(to: undo.rowCount)\n",
           "        if !ON { history.shrink(to: undo.rowCount) }\n", "LedgerTests"),
    Mutant("expire a nanosecond late", RESOLVING,
           "first.expiresAt <= at.nanoseconds",
           "first.expiresAt < at.nanoseconds + (ON ? 0 : 1)", "LedgerTests"),
    Mutant("release what ends during a batch before it", "Ledger/LedgerMachine.swift",
           "ledger.expire(at: LedgerMachine.start(of: command, at: time))",
           "ledger.expire(at: ON ? time : LedgerMachine.start(of: command, at: time))",
           r"LedgerTests\.LedgerMachineTests"),
    Mutant("post at the moment of expiry", RESOLVING,
           "expiry <= moment {", "ON ? expiry < moment : expiry <= moment {", "LedgerTests"),
    Mutant("a post that keeps its reservation", RESOLVING,
           "        release(pending, debit: debit, credit: credit)\n        if isPost {",
           "        if !ON || !isPost { release(pending, debit: debit, credit: credit) }\n"
           "        if isPost {"),
    Mutant("a released account stays closed", RESOLVING,
           "if pending.flags.contains(.closingDebit) { accounts",
           "if pending.flags.contains(.closingDebit), !ON { accounts", "LedgerTests"),
    Mutant("do not burn an id", TRANSFERS,
           "                if result.status.isTransient {",
           "                if result.status.isTransient, !ON {"),
    Mutant("a limit without what is pending", TRANSFERS,
           "guard let debits = (debit.debitsPending + debit.debitsPosted).checkedAdding",
           "guard let debits = ((ON ? .zero : debit.debitsPending)\n"
           "            + debit.debitsPosted).checkedAdding"),
    Mutant("a limit that can be passed by one", TRANSFERS,
           "debits > debit.creditsPosted {",
           "debits.units - (ON && debits.units > 0 ? 1 : 0) > debit.creditsPosted.units {", "LedgerTests"),
    Mutant("swap two checks", TRANSFERS,
           "        if request.ledger == 0 { throw .ledgerMustNotBeZero }\n"
           "        if request.code == 0 { throw .codeMustNotBeZero }\n",
           "        if ON, request.code == 0 { throw .codeMustNotBeZero }\n"
           "        if request.ledger == 0 { throw .ledgerMustNotBeZero }\n"
           "        if request.code == 0 { throw .codeMustNotBeZero }\n", "LedgerTests"),
    Mutant("swap the checks of two accounts", TRANSFERS,
           "        if debit.flags.contains(.closed) { throw .debitAccountAlreadyClosed }\n",
           "        if ON, credit.flags.contains(.closed) { throw .creditAccountAlreadyClosed }\n"
           "        if debit.flags.contains(.closed) { throw .debitAccountAlreadyClosed }\n",
           "LedgerTests"),
]

MUTANTS = (THE_COMMIT + THE_FILE_JOURNAL + THE_OTHER_JOURNALS + THE_CHAIN + THE_SNAPSHOTS
           + THE_STANDBY + THE_LEDGER + THE_WATCHERS + THE_SEALED_KEYS + THE_DEMAND + THE_FRAMES
           + THE_VOUCHERS + THE_SIGNER + THE_ROLLUPS + THE_GUARDS + THE_OUTFLOWS
           + THE_RESTING + THE_ABSENT + THE_QUOTES + THE_LATE_HOUSE)
