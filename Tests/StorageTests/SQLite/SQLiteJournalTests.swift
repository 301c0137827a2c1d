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

    @Test func everyCommitIsSynced() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        #expect(try journal.isDurable())
        try journal.close()
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
}
