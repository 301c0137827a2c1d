import Foundation
import GRDB
import Synchronization

/// A state and the records since, in one SQLite file: what a machine that lives by a log of its
/// inputs needs to go on after a crash. `append` returns when the records are synced; either all
/// of a call's are there or none. One process writes it, under the lock of the house's journal or
/// its own.
///
/// An older copy must never be put in its place: it would not know what was done since.
public final class RecordLog: Sendable {
    /// The version of the format.
    private static let version = 1
    private let database: DatabaseQueue
    private let path: String
    private let last: Mutex<Int64>
    private let lock: FileLock?

    /// Opens the log of `owner`, or makes it; throws `cannotOpen` if it belongs to another, and
    /// with a lock of its own `locked` while another process has it.
    public init(path: String, owner: String, hasLock: Bool = false) throws(JournalError) {
        self.path = path
        lock = hasLock ? try FileLock(path: path + ".lock", journal: path) : nil
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA journal_mode = WAL")
                try db.execute(sql: "PRAGMA synchronous = FULL")
            }
            database = try DatabaseQueue(path: path, configuration: configuration)
            let number = try database.write { db in try Self.prepare(db, path, owner) }
            last = Mutex(number)
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Makes the tables if they are not there; the number of the last record.
    private static func prepare(_ db: Database, _ path: String, _ owner: String) throws -> Int64 {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        let isNew = try !db.tableExists("record")
        guard isNew || version == Self.version else {
            throw JournalError.unsupportedVersion(Int64(version))
        }
        try db.execute(sql: "PRAGMA user_version = \(Self.version)")
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS record(\
                number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT
                """)
        try db.execute(
            sql: """
                CREATE TABLE IF NOT EXISTS state(\
                owner TEXT PRIMARY KEY, upto INTEGER NOT NULL, bytes BLOB) STRICT
                """)
        let known = try String.fetchOne(db, sql: "SELECT owner FROM state")
        if let known, known != owner {
            throw JournalError.cannotOpen(path, "it belongs to \(known), not to \(owner)")
        }
        if known == nil {
            try db.execute(
                sql: "INSERT INTO state(owner, upto, bytes) VALUES (?, 0, NULL)",
                arguments: [owner])
        }
        let covered = try Int64.fetchOne(db, sql: "SELECT upto FROM state") ?? 0
        let newest = try Int64.fetchOne(db, sql: "SELECT max(number) FROM record") ?? 0
        return max(covered, newest)
    }

    /// The last state, if one was ever put down, and the records after it in order. O(bytes).
    public func load() throws(JournalError) -> (state: [UInt8]?, records: [[UInt8]]) {
        do {
            return try database.read { db in
                let state = try Data.fetchOne(db, sql: "SELECT bytes FROM state")
                let records = try Data.fetchAll(db, sql: "SELECT bytes FROM record ORDER BY number")
                return (state.map { Array($0) }, records.map { Array($0) })
            }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// The number of the last record, from 1; the records of a process have the next ones.
    public var lastNumber: Int64 { last.withLock { $0 } }

    /// Adds records, in order and synced.
    public func append(_ records: [[UInt8]]) async throws(JournalError) {
        let first = lastNumber + 1
        do {
            try await write { db in
                for (place, bytes) in records.enumerated() {
                    try db.execute(
                        sql: "INSERT INTO record(number, bytes) VALUES (?, ?)",
                        arguments: [first + Int64(place), Data(bytes)])
                }
            }
        } catch {
            throw JournalError(error, path: path)
        }
        last.withLock { $0 += Int64(records.count) }
    }

    /// Puts the state after record `number` in the place of all records up to it. O(bytes).
    public func replace(upTo number: Int64, with state: [UInt8]) async throws(JournalError) {
        do {
            try await write { db in
                try db.execute(
                    sql: "UPDATE state SET upto = ?, bytes = ?", arguments: [number, Data(state)])
                try db.execute(sql: "DELETE FROM record WHERE number <= ?", arguments: [number])
            }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// What is begun is ended, though whoever wants it be cancelled meanwhile: what comes after a
    /// record waits for it, and an end in order is not to look like a disk that fails.
    private func write(_ body: @escaping @Sendable (Database) throws -> Void) async throws {
        try await Task { try await database.write(body) }.value
    }

    /// Closes the file.
    public func close() { try? database.close() }
}
