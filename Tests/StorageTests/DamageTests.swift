import Foundation
import GRDB
import Primitives
import Storage
import Testing

/// Whatever is changed in a journal file is found, or makes no difference.
@Suite struct DamageTests {
    /// Every bit pattern is one flip away: each byte of each column of each row, flipped once.
    @Test func everyByteOfEveryColumnCounts() throws {
        let scratch = try Scratch()
        try scratch.written(3)
        let good = try Data(contentsOf: URL(fileURLWithPath: scratch.journal))
        let blobs = ["previous_hash", "hash", "body"]
        let numbers = ["term", "time", "count"]
        var flips = 0
        for row in 1...3 {
            let sizes = try DatabaseQueue(path: scratch.journal).read { db in
                try blobs.map { column in
                    try Int.fetchOne(
                        db, sql: "SELECT length(\(column)) FROM journal WHERE seq = \(row)") ?? 0
                }
            }
            var changes: [(String, StatementArguments)] = []
            for (column, size) in zip(blobs, sizes) {
                for place in 1...size {
                    changes.append(
                        (
                            """
                            UPDATE journal SET \(column) = CAST(substr(\(column), 1, \(place - 1)) \
                            || CAST(char(0) AS BLOB) || substr(\(column), \(place + 1)) AS BLOB)
                            """, []
                        ))
                }
            }
            for column in numbers {
                for bit in 0..<63 {
                    // x ^ y, which SQLite has no sign for.
                    let mask = Int64(1) << Int64(bit)
                    changes.append(
                        (
                            "UPDATE journal SET \(column) = (\(column) | ?) - (\(column) & ?)",
                            [mask, mask]
                        ))
                }
            }
            for (sql, arguments) in changes {
                let database = try DatabaseQueue(path: scratch.journal)
                let changed = try database.write { db in
                    let before = try Row.fetchOne(db, sql: "SELECT * FROM journal WHERE seq=\(row)")
                    try db.execute(sql: sql + " WHERE seq = \(row)", arguments: arguments)
                    return try before
                        != Row.fetchOne(db, sql: "SELECT * FROM journal WHERE seq = \(row)")
                }
                try database.close()
                if changed {
                    flips += 1
                    guard case .damaged(let sequence, _) = scratch.recoveryError() else {
                        Issue.record("not found: \(sql) in row \(row)")
                        return
                    }
                    #expect(sequence == UInt64(row), "\(sql)")
                }
                try good.write(to: URL(fileURLWithPath: scratch.journal))
            }
        }
        #expect(flips > 700)
        #expect(scratch.recoveryError() == nil)
    }

    @Test func missingDoubledAndRenumberedRowsAreFound() throws {
        let cases: [(String, JournalError)] = [
            ("DELETE FROM journal WHERE seq = 1", .damaged(1, .gap(2))),
            ("DELETE FROM journal WHERE seq = 3", .damaged(3, .gap(4))),
            ("UPDATE journal SET seq = 0 WHERE seq = 1", .damaged(1, .gap(0))),
            ("UPDATE journal SET seq = -1 WHERE seq = 1", .damaged(1, .malformedRow)),
            ("UPDATE journal SET seq = 9 WHERE seq = 5", .damaged(5, .gap(9))),
            (
                "INSERT INTO journal SELECT 6, term, time, count, previous_hash, hash, body "
                    + "FROM journal WHERE seq = 5", .damaged(6, .hashMismatch)
            ),
        ]
        for (sql, expected) in cases {
            let scratch = try Scratch()
            try scratch.written(5)
            try scratch.tamper(sql)
            #expect(scratch.recoveryError() == expected, "\(sql)")
        }
    }

    @Test func swappedRowsAreFound() throws {
        let scratch = try Scratch()
        try scratch.written(4)
        try scratch.tamper("UPDATE journal SET seq = 100 WHERE seq = 2")
        try scratch.tamper("UPDATE journal SET seq = 2 WHERE seq = 3")
        try scratch.tamper("UPDATE journal SET seq = 3 WHERE seq = 100")
        #expect(scratch.recoveryError() == .damaged(2, .hashMismatch))
    }

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

    @Test func aMissingEndIsFoundByACheckpoint() throws {
        let scratch = try Scratch()
        let journal = try SQLiteJournal(path: scratch.journal)
        _ = try journal.verify()
        try journal.fill(5)
        try journal.record(StateCheckpoint(sequence: 5, stateHash: .zero))
        try journal.close()
        try scratch.tamper("DELETE FROM journal WHERE seq >= 4")
        #expect(scratch.recoveryError() == .missingBatches(head: 3, checkpoint: 5))
        try scratch.tamper("DELETE FROM journal")
        #expect(scratch.recoveryError() == .missingBatches(head: 0, checkpoint: 5))
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
