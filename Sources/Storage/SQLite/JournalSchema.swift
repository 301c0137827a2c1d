import GRDB
import Primitives

/// The tables of a journal file and how to tell that a file is one.
enum JournalSchema {
    /// `EXQJ`: SQLite's application id of a journal.
    static let applicationID: Int64 = 0x4558_514A
    /// The version of the format.
    static let version: Int64 = 1

    static let journal = """
        CREATE TABLE journal(\
        seq INTEGER PRIMARY KEY, \
        term INTEGER NOT NULL, \
        time INTEGER NOT NULL, \
        count INTEGER NOT NULL, \
        previous_hash BLOB NOT NULL, \
        hash BLOB NOT NULL, \
        body BLOB NOT NULL) STRICT
        """

    static let checkpoint = """
        CREATE TABLE checkpoint(\
        seq INTEGER PRIMARY KEY, \
        state_hash BLOB NOT NULL) STRICT
        """

    static let insertBatch = """
        INSERT INTO journal(seq, term, time, count, previous_hash, hash, body) \
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """

    static let insertCheckpoint = """
        INSERT INTO checkpoint(seq, state_hash) VALUES (?, ?) \
        ON CONFLICT(seq) DO UPDATE SET state_hash = excluded.state_hash
        """

    /// Batches after one sequence number, up to another; a body over the limit comes as NULL.
    static let selectBatches = """
        SELECT seq, term, time, count, previous_hash, hash, \
        CASE WHEN length(body) <= \(JournalLimits.bodyBytes) THEN body END \
        FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq
        """

    static let selectLast = """
        SELECT seq, term, time, count, previous_hash, hash, x'' \
        FROM journal ORDER BY seq DESC LIMIT 1
        """

    static let selectCheckpoints = "SELECT seq, state_hash FROM checkpoint ORDER BY seq"

    /// Whether the file holds nothing at all yet.
    static func isEmpty(_ db: Database) throws -> Bool {
        try integer(db, "PRAGMA application_id") == 0 && integer(db, "PRAGMA user_version") == 0
            && integer(db, "SELECT count(*) FROM sqlite_schema") == 0
    }

    /// Makes the tables in one transaction.
    static func create(in db: Database) throws {
        try db.inTransaction(.immediate) {
            try db.execute(sql: journal)
            try db.execute(sql: checkpoint)
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(version)")
            return .commit
        }
    }

    /// Throws unless the file is a journal of this version with exactly these tables.
    static func check(_ db: Database, path: String) throws {
        guard try integer(db, "PRAGMA application_id") == applicationID else {
            throw JournalError.notAJournal(path, "it is a database of another program")
        }
        let found = try integer(db, "PRAGMA user_version")
        guard found == version else { throw JournalError.unsupportedVersion(found) }
        let tables = try String.fetchAll(
            db, sql: "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name")
        guard tables == [checkpoint, journal] else {
            throw JournalError.damagedFile("its tables are not a journal's")
        }
    }

    static func integer(_ db: Database, _ sql: String) throws -> Int64 {
        try Int64.fetchOne(db, sql: sql) ?? 0
    }
}

extension JournalBatch {
    /// Reads a row as it is; throws `malformedRow` for wrong types and sizes.
    init(row: Row, expected: UInt64) throws(JournalError) {
        try self.init(expected: expected) { column in
            guard case .int64(let value) = (row[column] as DatabaseValue).storage else {
                return nil
            }
            return value
        } bytes: { column in
            guard case .blob(let value) = (row[column] as DatabaseValue).storage else {
                return nil
            }
            return [UInt8](value)
        }
    }
}

extension JournalError {
    /// What an error of GRDB or SQLite means for a journal.
    init(_ error: any Error, path: String) {
        switch error {
        case let error as JournalError: self = error
        case let error as DatabaseError:
            let words = error.message ?? "no message"
            let code = error.extendedResultCode.rawValue
            switch error.resultCode {
            case .SQLITE_FULL: self = .diskFull(words)
            case .SQLITE_IOERR: self = .inputOutput(code, words)
            case .SQLITE_CORRUPT: self = .damagedFile(words)
            case .SQLITE_NOTADB: self = .notAJournal(path, words)
            case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_READONLY:
                self = .cannotOpen(path, words)
            default: self = .database(code, words)
            }
        default: self = .database(0, "\(error)")
        }
    }
}
