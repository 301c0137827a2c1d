import Foundation
import GRDB
import Primitives
import Storage
import Testing

/// The journal in a file: opening, appending, limits and who may do what.
@Suite struct SQLiteJournalTests {
    private func openError(_ path: String) -> JournalError? {
        do throws(JournalError) {
            try SQLiteJournal(path: path).close()
            return nil
        } catch {
            return error
        }
    }

    @Test func anEmptyFileStartsAtTheZeroHash() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        #expect(try journal.verify() == .empty)
        #expect(journal.head.hash == .zero)
        #expect(journal.term == 1)
        #expect(try journal.isDurable())
        try journal.append(entries(1, after: .empty))
        #expect(journal.head.sequence == 1)
        try journal.close()
    }

    @Test func everythingIsThereAfterOpeningAgain() throws {
        let scratch = try Scratch()
        let written = try scratch.written(20)
        let journal = try SQLiteJournal(path: scratch.journal)
        #expect(journal.term == 2)
        var sequence: UInt64 = 0
        var head = JournalHead.empty
        let end = try journal.recover { (batch, commands) throws(JournalError) in
            sequence += 1
            #expect(batch.sequence == sequence)
            #expect(commands == entries(sequence, after: head))
            head = batch.head
        }
        #expect(sequence == 20)
        #expect(end == written)
        try journal.fill(1)
        #expect(journal.head.term == 2)
        try journal.close()
        #expect(scratch.recoveryError() == nil)
    }

    @Test func nothingIsAppendedBeforeTheChainWasVerified() throws {
        let scratch = try Scratch()
        try scratch.written(2)
        let journal = try SQLiteJournal(path: scratch.journal)
        #expect(throws: JournalError.notRecovered) { try journal.fill(1) }
        _ = try journal.verify()
        try journal.fill(1)
        try journal.close()
        #expect(throws: JournalError.closed) { try journal.fill(1) }
        #expect(throws: JournalError.closed) { try journal.verify() }
        #expect(throws: Never.self) { try journal.close() }
    }

    @Test func onlyTheNextBatchOfNoOlderTermIsAccepted() throws {
        let scratch = try Scratch()
        let opening = try SQLiteJournal(path: scratch.journal)
        _ = try opening.verify()
        try opening.fill(1)
        try opening.close()
        let journal = try SQLiteJournal(path: scratch.journal)
        _ = try journal.verify()
        try journal.fill(1)
        #expect(journal.head.term == 2)
        let first = journal.head
        try journal.fill(1)
        let again = try JournalBatch(following: first, term: 2, entries: entries(9, after: first))
        #expect(throws: JournalError.misplaced("it follows another batch")) {
            try journal.append(again)
        }
        let old = JournalHead(
            sequence: journal.head.sequence, hash: journal.head.hash, time: journal.head.time,
            term: 1)
        let late = try JournalBatch(following: old, term: 1, entries: entries(3, after: old))
        #expect(throws: JournalError.misplaced("the term is in the past")) {
            try journal.append(late)
        }
        // A caller's error harms nothing.
        try journal.fill(1)
        try journal.close()
        #expect(scratch.recoveryError() == nil)
    }

    @Test func aSecondWriterIsRefused() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        #expect(
            openError(scratch.journal)
                == .locked(scratch.journal, holder: ProcessInfo.processInfo.processIdentifier))
        _ = try journal.verify()
        try journal.fill(1)
        try journal.close()
        #expect(openError(scratch.journal) == nil)
    }

    @Test func aWriterThatIgnoresTheLockIsFound() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        _ = try journal.verify()
        try journal.fill(1)
        try scratch.tamper("INSERT INTO journal VALUES (2, 1, 99, 1, x'00', x'00', x'00')")
        #expect(throws: JournalError.conflict(2)) { try journal.fill(1) }
        #expect(throws: JournalError.failedBefore) { try journal.fill(1) }
        try journal.close()
    }

    @Test func readersSeeWhatIsCommittedWhileAWriterWrites() throws {
        let scratch = try Scratch()
        let writer = try SQLiteJournal(path: scratch.journal)
        _ = try writer.verify()
        try writer.fill(3)
        let reader = try SQLiteJournal(readingOnly: scratch.journal)
        try writer.fill(2)
        #expect(try reader.verify().sequence == 3)
        #expect(throws: JournalError.readOnly) { try reader.fill(1) }
        let later = try SQLiteJournal(readingOnly: scratch.journal)
        #expect(try later.verify() == writer.head)
        try later.close()
        try reader.close()
        try writer.close()
    }

    @Test func theLogIsCopiedAndCut() throws {
        let scratch = try Scratch()
        var options = SQLiteJournal.Options()
        options.checkpointBytes = 64 << 10
        options.logLimitBytes = 256 << 10
        let journal = try SQLiteJournal(path: scratch.journal, options: options)
        _ = try journal.verify()
        let large = [UInt8](repeating: 7, count: 32 << 10)
        for _ in 0..<64 {
            try journal.append([
                JournalEntry(time: journal.head.time + .seconds(1), command: large)
            ])
            let log = try FileManager.default.attributesOfItem(atPath: scratch.journal + "-wal")
            // 2 MiB were written in all; the log's file stays near its limit.
            #expect((log[.size] as? Int ?? 0) < 512 << 10)
        }
        try journal.close()
        #expect(!FileManager.default.fileExists(atPath: scratch.journal + "-wal"))
        #expect(scratch.recoveryError() == nil)
    }

    @Test func aFullDiskIsFinalAndLosesNothing() throws {
        let scratch = try Scratch()
        var options = SQLiteJournal.Options()
        options.maximumBytes = 200 << 10
        let journal = try SQLiteJournal(path: scratch.journal, options: options)
        _ = try journal.verify()
        var kept: UInt64 = 0
        var failure: JournalError?
        let large = [UInt8](repeating: 7, count: 20 << 10)
        while failure == nil, kept < 100 {
            do throws(JournalError) {
                try journal.append([
                    JournalEntry(time: journal.head.time + .seconds(1), command: large)
                ])
                kept += 1
            } catch {
                failure = error
            }
        }
        guard case .diskFull = failure else {
            Issue.record("expected a full disk, not \(String(describing: failure))")
            return
        }
        #expect(kept > 3)
        // A small batch would fit, but after a failure nothing is accepted.
        #expect(throws: JournalError.failedBefore) { try journal.fill(1) }
        #expect(throws: JournalError.failedBefore) {
            try journal.record(StateCheckpoint(sequence: 1, stateHash: .zero))
        }
        try journal.close()
        let again = try SQLiteJournal(path: scratch.journal)
        #expect(try again.verify().sequence == kept)
        try again.fill(1)
        try again.close()
    }

    @Test func otherFilesAreRefusedAndLeftAlone() throws {
        let scratch = try Scratch()
        let text = Data(String(repeating: "not a database ", count: 200).utf8)
        try text.write(to: URL(fileURLWithPath: scratch.journal))
        guard case .notAJournal = openError(scratch.journal) else {
            Issue.record("a text file was not refused")
            return
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.journal)) == text)

        let foreign = try Scratch()
        try DatabaseQueue(path: foreign.journal).write { db in
            try db.execute(sql: "CREATE TABLE recipes(name TEXT)")
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: foreign.journal))
        #expect(
            openError(foreign.journal)
                == .notAJournal(foreign.journal, "it is a database of another program"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: foreign.journal)) == before)

        guard case .cannotOpen = openError("\(scratch.folder)/no/such/folder/x") else {
            Issue.record("a missing folder was not refused")
            return
        }
        #expect(throws: JournalError.cannotOpen("/none", "there is no such file")) {
            try SQLiteJournal(readingOnly: "/none")
        }
    }

    @Test func otherVersionsAreRefused() throws {
        let scratch = try Scratch()
        try scratch.written(1)
        try DatabaseQueue(path: scratch.journal).write { db in
            try db.execute(sql: "PRAGMA user_version = 2")
        }
        #expect(openError(scratch.journal) == .unsupportedVersion(2))
    }

    @Test func checkpointsAreKept() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        _ = try journal.verify()
        try journal.fill(2)
        let first = StateCheckpoint(sequence: 1, stateHash: Digest(words: (1, 2, 3, 4)))
        let second = StateCheckpoint(sequence: 2, stateHash: Digest(words: (5, 6, 7, 8)))
        try journal.record(second)
        try journal.record(first)
        #expect(throws: JournalError.misplaced("the checkpoint is beyond the head")) {
            try journal.record(StateCheckpoint(sequence: 3, stateHash: .zero))
        }
        try journal.close()
        let again = try SQLiteJournal(path: scratch.journal)
        #expect(try again.checkpoints() == [first, second])
        #expect(try again.verify().sequence == 2)
        try again.close()
    }
}
