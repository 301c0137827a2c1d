import Foundation
import GRDB
import Primitives
import Storage
import Testing

/// Whatever is changed in a journal's file is found, or makes no difference.
@Suite struct SQLiteDamageTests {
    @Test func columnsOfAWrongSizeAreFound() throws {
        for column in ["hash", "previous_hash"] {
            let scratch = try Scratch()
            try scratch.written(3)
            try scratch.tamper("UPDATE journal SET \(column) = x'00' WHERE seq = 2")
            #expect(scratch.recoveryError() == .damaged(2, .malformedRow))
        }
        let scratch = try Scratch()
        try scratch.written(3)
        try scratch.tamper(
            "UPDATE journal SET body = zeroblob(\(JournalLimits.bodyBytes + 1)) WHERE seq = 2")
        #expect(scratch.recoveryError() == .damaged(2, .malformedRow))
    }

    @Test func strangeTablesAreRefused() throws {
        let changes = [
            "CREATE TABLE extra(x)", "DROP TABLE checkpoint",
            "CREATE TRIGGER t BEFORE INSERT ON journal BEGIN SELECT 1; END",
            "ALTER TABLE journal RENAME COLUMN count TO number",
        ]
        for sql in changes {
            let scratch = try Scratch()
            try scratch.written(1)
            try DatabaseQueue(path: scratch.journal).write { try $0.execute(sql: sql) }
            #expect(
                scratch.recoveryError() == .damagedFile("its tables are not a journal's"),
                "\(sql)")
        }
    }

    /// What a reader can know of a journal: every batch and every command, or an error.
    private func contents(_ path: String) -> Result<[JournalBatch], JournalError> {
        do throws(JournalError) {
            let journal = try SQLiteJournal(path: path)
            var batches: [JournalBatch] = []
            _ = try journal.recover { (batch, _) throws(JournalError) in batches.append(batch) }
            try journal.close()
            return .success(batches)
        } catch {
            return .failure(error)
        }
    }

    @Test func bytesFlippedAnywhereInTheFileNeverChangeHistory() throws {
        let scratch = try Scratch()
        try scratch.written(40)
        let good = try Data(contentsOf: URL(fileURLWithPath: scratch.journal))
        let truth = try contents(scratch.journal).get()
        var numbers = Numbers(state: 0x5EED_0001)
        var found = 0
        // The header and the first page's table completely at random places, then everywhere.
        for round in 0..<400 {
            var bad = good
            let place = Int.random(in: 0..<(round < 100 ? 512 : good.count), using: &numbers)
            bad[place] ^= UInt8.random(in: 1...255, using: &numbers)
            try bad.write(to: URL(fileURLWithPath: scratch.journal))
            switch contents(scratch.journal) {
            case .success(let batches): #expect(batches == truth, "byte \(place)")
            case .failure: found += 1
            }
            for suffix in ["-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: scratch.journal + suffix)
            }
        }
        // The rest fell on free space or on counters that carry no history.
        #expect(found > 150)
    }

    /// SQLite alone would take an empty file for a new database and delete the log beside it.
    @Test func aLostFileWithALogIsNotANewJournal() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        _ = try journal.verify()
        try journal.fill(3)
        let copy = try Scratch()
        for content in [nil, Data()] {
            try? FileManager.default.removeItem(atPath: copy.journal)
            try? FileManager.default.removeItem(atPath: copy.journal + "-wal")
            try FileManager.default.copyItem(
                atPath: scratch.journal + "-wal", toPath: copy.journal + "-wal")
            try content?.write(to: URL(fileURLWithPath: copy.journal))
            #expect(
                copy.recoveryError()
                    == .damagedFile("it is missing or empty, but its log (-wal) is there"))
            #expect(FileManager.default.fileExists(atPath: copy.journal + "-wal"))
        }
        try journal.close()
    }

    @Test func aTruncatedFileNeverChangesHistory() throws {
        let scratch = try Scratch()
        try scratch.written(40)
        let good = try Data(contentsOf: URL(fileURLWithPath: scratch.journal))
        var found = 0
        let sizes = Array(stride(from: 1, to: good.count, by: 1_531))
        for size in sizes {
            try good.prefix(size).write(to: URL(fileURLWithPath: scratch.journal))
            if case .failure = contents(scratch.journal) { found += 1 }
            for suffix in ["-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: scratch.journal + suffix)
            }
        }
        #expect(found == sizes.count)
    }
}
