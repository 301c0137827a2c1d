import Foundation
import GRDB
import Primitives
import Storage
import Testing

/// A folder that is gone when the value is.
final class Scratch: Sendable {
    let folder: String

    init() throws {
        let base = FileManager.default.temporaryDirectory.path
        folder = "\(base)/journal-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var journal: String { "\(folder)/house.journal" }

    /// Changes the file behind the journal's back.
    func tamper(_ sql: String, _ arguments: StatementArguments = []) throws {
        let database = try DatabaseQueue(path: journal)
        try database.write { db in
            try db.execute(sql: sql, arguments: arguments)
            #expect(db.changesCount > 0, "the tampering changed nothing: \(sql)")
        }
        try database.close()
    }
}

/// Deterministic numbers: the seed is in the test, so a failure repeats.
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// The commands of batch `number`: as many as its number, with recognisable bytes.
func entries(_ number: UInt64, after head: JournalHead) -> [JournalEntry] {
    (1...number).map { place in
        JournalEntry(
            time: Timestamp(nanoseconds: head.time.nanoseconds + place),
            command: Array(repeating: UInt8(truncatingIfNeeded: number), count: Int(place)))
    }
}

extension Journal {
    /// Appends one batch of `entries`.
    func append(_ entries: [JournalEntry]) throws(JournalError) {
        try append(JournalBatch(following: head, term: term, entries: entries))
    }

    /// Appends `count` batches of recognisable commands.
    func fill(_ count: Int) throws(JournalError) {
        for _ in 0..<count {
            try append(entries(head.sequence + 1, after: head))
        }
    }
}
