import Foundation
import GRDB

/// A read model in a SQLite file of its own.
final class SQLiteReadModel: ReadModelStore {
    /// `EXQR`: SQLite's application id of a read model.
    static let applicationID: Int64 = 0x4558_5152
    /// The version of the tables.
    static let version: Int64 = 1

    private(set) var cursor = ReadModelCursor()
    private let database: DatabaseQueue
    private let place: String

    /// Opens the model at `path`, or makes it; with `rebuilding` an empty one in its place.
    init(path: String, rebuilding: Bool) throws(ReadModelError) {
        place = path
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.label = "exchequer.readmodel"
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.writeWithoutTransaction { db in
                // First of all: nothing of another program's file is changed.
                let isNew = try JournalSchema.isEmpty(db)
                if !isNew { try SQLiteReadModel.check(db, path, rebuilding: rebuilding) }
                try db.execute(sql: "PRAGMA journal_mode = WAL")
                // A power cut may take the last transactions, rows and cursor together.
                try db.execute(sql: "PRAGMA synchronous = NORMAL")
                if isNew || rebuilding { try SQLiteReadModel.create(in: db) }
            }
            cursor = try database.read(SQLiteReadModel.cursor)
        } catch {
            throw ReadModelError(error, path)
        }
    }

    private static func check(_ db: Database, _ path: String, rebuilding: Bool) throws {
        guard try JournalSchema.integer(db, "PRAGMA application_id") == applicationID else {
            throw ReadModelError.notAReadModel(path, "it is a database of another program")
        }
        let found = try JournalSchema.integer(db, "PRAGMA user_version")
        guard found == version || rebuilding else {
            throw ReadModelError.notAReadModel(
                path, "its tables have version \(found) and not \(version): rebuild it")
        }
    }

    /// Makes the tables, in place of those that are there.
    private static func create(in db: Database) throws {
        try db.inTransaction(.immediate) {
            for table in LedgerTables.all + HouseTables.all {
                try db.execute(sql: "DROP TABLE IF EXISTS \(table.name)")
                let creation = table.creation(as: table.name) { type in
                    if case .integer = type { "INTEGER" } else { "TEXT" }
                }
                try db.execute(sql: creation + " STRICT")
            }
            try db.execute(sql: "DROP TABLE IF EXISTS read_model")
            try db.execute(
                sql: """
                    CREATE TABLE read_model(kind TEXT NOT NULL, applied_seq INTEGER NOT NULL, \
                    applied_hash TEXT NOT NULL, applied_time INTEGER NOT NULL) STRICT
                    """)
            try db.execute(sql: "INSERT INTO read_model VALUES ('empty', 0, '', 0)")
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(version)")
            return .commit
        }
    }

    private static func cursor(_ db: Database) throws -> ReadModelCursor {
        let row = try Row.fetchOne(
            db, sql: "SELECT kind, applied_seq, applied_hash, applied_time FROM read_model")
        guard let row, let kind = JournaledKind(rawValue: row[0]) else {
            throw ReadModelError.notAReadModel("the file", "it does not say how far it is filled")
        }
        return ReadModelCursor(
            kind: kind, sequence: UInt64(row[1] as Int64), hash: row[2],
            time: UInt64(row[3] as Int64))
    }

    func write(_ rows: [ReadModelRows], moving next: ReadModelCursor) throws(ReadModelError) {
        do {
            try database.writeWithoutTransaction { db in
                try db.inTransaction(.immediate) {
                    try db.execute(
                        sql: """
                            UPDATE read_model SET kind = ?, applied_seq = ?, applied_hash = ?, \
                            applied_time = ? WHERE applied_seq = ? AND applied_hash = ?
                            """,
                        arguments: [
                            next.kind.rawValue, Int64(next.sequence), next.hash, Int64(next.time),
                            Int64(cursor.sequence), cursor.hash,
                        ])
                    guard db.changesCount == 1 else { throw ReadModelError.filledByAnother(place) }
                    for part in rows where !part.isEmpty {
                        try shorten(part, in: db)
                        try insert(part, in: db)
                    }
                    return .commit
                }
            }
        } catch {
            throw ReadModelError(error, place)
        }
        cursor = next
    }

    private func shorten(_ rows: ReadModelRows, in db: Database) throws {
        if rows.shortened.isEmpty { return }
        let key = rows.table.columns.map(\.name)
        let statement = try db.cachedStatement(
            sql: "DELETE FROM \(rows.table.name) WHERE \(key[0]) = ? AND \(key[1]) >= ?")
        for list in rows.shortened { try statement.execute(arguments: [list.owner, list.end]) }
    }

    private func insert(_ rows: ReadModelRows, in db: Database) throws {
        let table = rows.table
        let marks = Array(repeating: "?", count: table.columns.count).joined(separator: ", ")
        let statement = try db.cachedStatement(
            sql: "INSERT INTO \(table.name) VALUES (\(marks)) \(table.onConflict)")
        let digits = table.columns.map {
            if case .number(let digits) = $0.type { digits } else { 0 }
        }
        let width = table.columns.count
        for start in stride(from: 0, to: rows.cells.count, by: width) {
            let values = (0..<width).map { column -> DatabaseValue in
                switch rows.cells[start + column] {
                case .null: .null
                case .integer(let value): value.databaseValue
                case .number(let value): value.padded(to: digits[column]).databaseValue
                case .text(let text): text.databaseValue
                }
            }
            statement.setUncheckedArguments(StatementArguments(values))
            try statement.execute()
        }
    }

    func makeIndexes() throws(ReadModelError) {
        do {
            try database.write { db in
                for table in LedgerTables.all + HouseTables.all {
                    for sql in table.indexCreations(on: table.name) { try db.execute(sql: sql) }
                }
            }
        } catch {
            throw ReadModelError(error, place)
        }
    }

    func close() { try? database.close() }
}
