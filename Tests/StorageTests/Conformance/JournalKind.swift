import Foundation
import GRDB
import PostgresHarness
import Primitives
import Storage
import Testing

/// A place where one journal of some kind lives: opened and closed as often as a test likes.
protocol JournalHome: Sendable {
    /// Opens the journal for writing and makes it if it is not there.
    func open() throws(JournalError) -> any Journal

    /// Opens it for reading only; `nil` if this kind cannot.
    func openForReading() throws(JournalError) -> (any Journal)?

    /// Makes the store hold exactly these batches, valid or not, behind the journal's back.
    func rewrite(_ batches: [JournalBatch]) throws

    /// What a verification says about the journal, or `nil` if it finds nothing wrong.
    func recoveryError() -> JournalError?
}

/// A kind of journal that the conformance suite runs on. Another one needs a line in `all` and a
/// home.
struct JournalKind: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Whether it outlives the value that writes it: then it can be rewritten behind its back.
    var isStored = true
    let makeHome: @Sendable () throws -> any JournalHome

    static let all = [
        JournalKind(testDescription: "memory", isStored: false) { MemoryHome() },
        JournalKind(testDescription: "SQLite") { try Scratch() },
        JournalKind(testDescription: "append file") { try FileHome() },
        JournalKind(testDescription: "append file with a copy", isStored: false) {
            try ReplicatedHome()
        },
        JournalKind(testDescription: "PostgreSQL") { try PostgresHome() },
    ]

    static let stored = all.filter(\.isStored)
}

extension JournalHome {
    func recoveryError() -> JournalError? {
        do throws(JournalError) {
            let journal = try open()
            _ = try journal.verify()
            try journal.close()
            return nil
        } catch {
            return error
        }
    }

    /// A closed journal with batches 1 to `count`; gives them.
    @discardableResult
    func written(_ count: Int) throws -> [JournalBatch] {
        let journal = try open()
        _ = try journal.verify()
        try journal.fill(count)
        let reader = try journal.reader()
        let batches = try reader.batches(after: 0)
        reader.close()
        try journal.close()
        return batches
    }
}

final class MemoryHome: JournalHome {
    private let journal = MemoryJournal()

    func open() throws(JournalError) -> any Journal {
        if journal.head != .empty { journal.reopen() }
        return journal
    }

    func openForReading() throws(JournalError) -> (any Journal)? { nil }

    func rewrite(_ batches: [JournalBatch]) throws { throw CocoaError(.featureUnsupported) }
}

extension Scratch: JournalHome {
    func open() throws(JournalError) -> any Journal { try SQLiteJournal(path: journal) }

    func openForReading() throws(JournalError) -> (any Journal)? {
        try SQLiteJournal(readingOnly: journal)
    }

    func rewrite(_ batches: [JournalBatch]) throws {
        let database = try DatabaseQueue(path: journal)
        try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
        try database.write { db in
            try db.execute(sql: "DELETE FROM journal")
            for batch in batches {
                try db.execute(
                    sql: "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)",
                    arguments: [
                        Int64(bitPattern: batch.sequence), Int64(bitPattern: batch.term),
                        Int64(bitPattern: batch.time.nanoseconds),
                        Int64(Int32(bitPattern: batch.count)), Data(batch.previousHash.bytes),
                        Data(batch.hash.bytes), Data(batch.body),
                    ])
            }
        }
        try database.close()
    }
}

/// A journal in a schema of its own on the server that all tests share.
final class PostgresHome: JournalHome {
    let schema: String
    let conninfo: String
    /// To look at and change the tables with.
    let session: SQLSession
    /// To see what the server does meanwhile: a transaction would see it as it was.
    let watcher: SQLSession

    convenience init(_ server: PostgresServer? = nil) throws {
        let server = try server ?? .shared()
        try self.init(schema: PostgresServer.freshSchema(), conninfo: server.conninfo)
    }

    private init(schema: String, conninfo: String) throws {
        self.schema = schema
        self.conninfo = conninfo
        session = try SQLSession(conninfo)
        watcher = try SQLSession(conninfo)
        try session.run("SET synchronous_commit = off")
    }

    /// The same journal, when the server was started again.
    func again() throws -> PostgresHome { try PostgresHome(schema: schema, conninfo: conninfo) }

    /// Reading is enough to find damage, and quicker.
    func recoveryError() -> JournalError? {
        do throws(JournalError) {
            let journal = try openForReading()
            _ = try journal?.verify()
            try journal?.close()
            return nil
        } catch {
            return error
        }
    }

    func open() throws(JournalError) -> any Journal { try lead() }

    /// Opens the journal as its leader.
    func lead(
        takeOver: Bool = false, holder: String = "", timeout: Duration? = nil
    ) throws(JournalError) -> PostgresJournal {
        var options = PostgresJournal.Options()
        options.takeOver = takeOver
        options.holder = holder
        if let timeout { options.timeout = timeout }
        return try PostgresJournal(conninfo: conninfo, schema: schema, options: options)
    }

    func openForReading() throws(JournalError) -> (any Journal)? {
        try PostgresJournal(readingOnly: conninfo, schema: schema)
    }

    func rewrite(_ batches: [JournalBatch]) throws {
        func literal(_ bytes: [UInt8]) -> String { "'\\x\(Hex.encode(bytes))'" }
        let rows = batches.map { batch in
            """
            INSERT INTO \(schema).journal VALUES (\(Int64(bitPattern: batch.sequence)), \
            \(Int64(bitPattern: batch.term)), \(Int64(bitPattern: batch.time.nanoseconds)), \
            \(Int32(bitPattern: batch.count)), \(literal(batch.previousHash.bytes)), \
            \(literal(batch.hash.bytes)), \(literal(batch.body)), \(batch.body.count));
            """
        }
        try session.run("BEGIN; DELETE FROM \(schema).journal; \(rows.joined()) COMMIT")
    }
}
