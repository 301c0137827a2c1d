import Foundation
import GRDB
import Primitives
import Synchronization

/// A journal in one SQLite file: one row per batch, write-ahead log, every commit synced.
///
/// The rows are the format of docs/internals/journal.md and can be read with any SQLite program.
/// One process writes; readers in other processes are welcome while it does.
public final class SQLiteJournal: Journal {
    /// What can be chosen.
    public struct Options: Sendable {
        /// The most bytes the file may have, or `nil` for no limit. When it is reached, `append`
        /// throws `diskFull`, as it does on a full disk.
        public var maximumBytes: Int?
        /// After about this many bytes the write-ahead log is copied into the file, in the
        /// background.
        public var checkpointBytes = 8 << 20
        /// Above about this many bytes in the write-ahead log the writer itself waits for that.
        public var logLimitBytes = 64 << 20
        /// The least term to write with: what a standby that takes over has promised.
        public var leastTerm: UInt64 = 1

        /// No size limit; log copied every 8 MiB, kept below about 64 MiB.
        public init() {}
    }

    private struct State {
        var head: JournalHead
        var recovered = false
        var failure: JournalError?
        var closed = false
    }

    /// The term that this opening writes with.
    public let term: UInt64
    /// It waits for this machine's disk only.
    public var isLocal: Bool { true }
    /// Where the file is.
    public let path: String

    private let database: DatabaseQueue
    private let copier: LogCopier?
    private let lock: Mutex<FileLock?>
    private let state: Mutex<State>
    /// The checkpoints that were there at opening.
    private let openingCheckpoints: [StateCheckpoint]

    /// Opens the journal at `path` for writing and reading, and makes it if there is no file.
    ///
    /// Throws `locked` if another process writes it, `notAJournal`, `unsupportedVersion`,
    /// `cannotOpen`, or what the last row shows to be wrong. The chain is verified by `recover`,
    /// not here.
    public convenience init(path: String, options: Options = Options()) throws(JournalError) {
        let lock = try FileLock(path: path + ".lock", journal: path)
        let isNew = try SQLiteJournal.isNew(path)
        do {
            let database = try SQLiteJournal.open(path, options: options)
            if isNew { try SystemError.syncFolder(of: path) }
            try self.init(path: path, database: database, options: options, lock: lock)
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Opens the journal at `path` for reading only, also while another process writes it. Sees
    /// the batches that are committed now.
    public convenience init(readingOnly path: String) throws(JournalError) {
        guard FileManager.default.fileExists(atPath: path) else {
            throw .cannotOpen(path, "there is no such file")
        }
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            let database = try DatabaseQueue(path: path, configuration: configuration)
            try self.init(path: path, database: database, options: nil, lock: nil)
        } catch {
            throw JournalError(error, path: path)
        }
    }

    private init(
        path: String, database: DatabaseQueue, options: Options?, lock: consuming FileLock?
    ) throws {
        let (head, checkpoints) = try database.read { db in
            try JournalSchema.check(db, path: path)
            return (try SQLiteJournal.head(db), try SQLiteJournal.checkpoints(db))
        }
        self.path = path
        self.database = database
        self.lock = Mutex(lock)
        copier = try options.map { try LogCopier(path: path, options: $0) }
        openingCheckpoints = checkpoints
        term = max(head.term + 1, options?.leastTerm ?? 1)
        state = Mutex(State(head: head))
    }

    deinit { try? close() }

    /// How far the journal goes. Before `recover`, what its last row says.
    public var head: JournalHead { state.withLock { $0.head } }

    /// Whether every commit is synced before it returns: what the open database itself says.
    public func isDurable() throws(JournalError) -> Bool {
        try perform { db in
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
            return try mode == "wal" && JournalSchema.integer(db, "PRAGMA synchronous") == 2
        }
    }

    /// SQLite's own check of its file: empty if all is well, else what is wrong.
    public func fileProblems() throws(JournalError) -> [String] {
        let answers = try perform { try String.fetchAll($0, sql: "PRAGMA integrity_check(10)") }
        return answers == ["ok"] ? [] : answers
    }

    /// Copies the log into the file, closes it and lets other writers in.
    public func close() throws(JournalError) {
        let first = state.withLock { state in
            defer { state.closed = true }
            return !state.closed
        }
        guard first else { return }
        defer { lock.withLock { $0 = nil } }
        copier?.close()
        do { try database.close() } catch { throw JournalError(error, path: path) }
    }
}

// MARK: - Reading

extension SQLiteJournal {
    /// Reads the batches that were there at opening and verifies the chain over all of them after
    /// `start`.
    public func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        let end = head
        try verifyChain(
            after: start, upTo: end, latestCheckpoint: openingCheckpoints.last, body
        ) { (last, end, next) throws(JournalError) in
            try batches(after: last, upTo: end, next: next)
        }
        state.withLock { $0.recovered = true }
        return end
    }

    /// The recorded state hashes, by sequence.
    public func checkpoints() throws(JournalError) -> [StateCheckpoint] {
        try perform { try SQLiteJournal.checkpoints($0) }
    }

    /// A second connection, for reading only.
    public func reader() throws(JournalError) -> any JournalReader {
        Reader(try SQLiteJournal(readingOnly: path))
    }

    private final class Reader: JournalReader {
        private let journal: SQLiteJournal

        init(_ journal: SQLiteJournal) {
            self.journal = journal
        }

        func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch] {
            try journal.batches(
                after: Int64(sequence), upTo: UInt64(Int64.max), next: sequence + 1)
        }

        func close() { try? journal.close() }
    }

    /// Some batches after `last`: a few megabytes of them.
    private func batches(
        after last: Int64, upTo end: UInt64, next: UInt64
    ) throws(JournalError) -> [JournalBatch] {
        try perform { db in
            var expected = next
            var page: [JournalBatch] = []
            var bytes = 0
            let rows = try Row.fetchCursor(
                db, sql: JournalSchema.selectBatches, arguments: [last, Int64(end)])
            while bytes < 4 << 20, page.count < 1_024, let row = try rows.next() {
                let batch = try JournalBatch(row: row, expected: expected)
                page.append(batch)
                expected += 1
                bytes += batch.body.count
            }
            return page
        }
    }

    private static func head(_ db: Database) throws -> JournalHead {
        guard let row = try Row.fetchOne(db, sql: JournalSchema.selectLast) else { return .empty }
        let sequence: DatabaseValue = row[0]
        guard case .int64(let number) = sequence.storage else { return .empty }
        return try JournalBatch(row: row, expected: UInt64(max(number, 1))).head
    }

    private static func checkpoints(_ db: Database) throws -> [StateCheckpoint] {
        try Row.fetchAll(db, sql: JournalSchema.selectCheckpoints).map { row in
            let sequence: DatabaseValue = row[0]
            let hash: DatabaseValue = row[1]
            guard case .int64(let number) = sequence.storage, number >= 0,
                case .blob(let bytes) = hash.storage, let digest = Digest(bytes)
            else { throw JournalError.damagedFile("a checkpoint has a wrong type or size") }
            return StateCheckpoint(sequence: UInt64(number), stateHash: digest)
        }
    }

    /// Reads from the database unless it is closed.
    private func perform<Value>(
        _ body: (Database) throws -> Value
    ) throws(JournalError) -> Value {
        if state.withLock({ $0.closed }) { throw .closed }
        do { return try database.read(body) } catch { throw JournalError(error, path: path) }
    }
}

// MARK: - Writing

extension SQLiteJournal {
    /// Commits one batch and syncs it; whatever fails is final.
    public func append(_ batch: JournalBatch) throws(JournalError) {
        try write { (head) throws(JournalError) in
            try head.check(next: batch)
        } _: { db in
            let statement = try db.cachedStatement(sql: JournalSchema.insertBatch)
            try statement.execute(arguments: [
                Int64(batch.sequence), Int64(batch.term), Int64(batch.time.nanoseconds),
                Int64(batch.count), Data(batch.previousHash.bytes), Data(batch.hash.bytes),
                Data(batch.body),
            ])
            return batch.head
        }
        try copier?.wrote(batch.body.count + 8_192)
    }

    /// Commits one state hash and syncs it.
    public func record(_ checkpoint: StateCheckpoint) throws(JournalError) {
        try write { (head) throws(JournalError) in
            guard checkpoint.sequence <= head.sequence else {
                throw .misplaced("the checkpoint is beyond the head")
            }
        } _: { db in
            let statement = try db.cachedStatement(sql: JournalSchema.insertCheckpoint)
            try statement.execute(arguments: [
                Int64(checkpoint.sequence), Data(checkpoint.stateHash.bytes),
            ])
            return nil
        }
    }

    /// Runs one committing statement. Whatever goes wrong in it is final: after a failed sync
    /// nobody knows what the disk holds, and a second sync could succeed without it.
    private func write(
        checking check: (JournalHead) throws(JournalError) -> Void,
        _ body: (Database) throws -> JournalHead?
    ) throws(JournalError) {
        guard let copier else { throw .readOnly }
        try state.withLock { (state) throws(JournalError) in
            if state.closed { throw .closed }
            if state.failure != nil { throw .failedBefore }
            guard state.recovered else { throw .notRecovered }
            try check(state.head)
            if let failure = copier.failure {
                state.failure = failure
                throw failure
            }
            do {
                if let head = try database.writeWithoutTransaction(body) { state.head = head }
            } catch {
                var failure = JournalError(error, path: path)
                if case DatabaseError.SQLITE_CONSTRAINT = error {
                    failure = .conflict(state.head.sequence + 1)
                }
                state.failure = failure
                throw failure
            }
        }
    }

    /// Whether there is no journal at `path` yet. SQLite would take what is left of a damaged one
    /// for new as well, and delete the log that may hold its last commits.
    private static func isNew(_ path: String) throws(JournalError) -> Bool {
        func size(_ path: String) -> Int? {
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return attributes.map { $0[.size] as? Int ?? 0 }
        }
        let bytes = size(path) ?? 0
        guard bytes < 512 else { return false }
        guard bytes == 0 else { throw .damagedFile("it is shorter than a database's header") }
        guard size(path + "-wal") ?? 0 == 0 else {
            throw .damagedFile("it is missing or empty, but its log (-wal) is there")
        }
        return true
    }

    /// Opens the file for writing, makes the tables if it is new, and sets how it is written.
    private static func open(_ path: String, options: Options) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.label = "exchequer.journal"
        configuration.prepareDatabase { db in
            // First of all: nothing of another program's file is changed.
            if try !JournalSchema.isEmpty(db) { try JournalSchema.check(db, path: path) }
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
            guard mode == "wal" else {
                throw JournalError.cannotOpen(path, "its disk cannot hold a write-ahead log")
            }
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try db.execute(sql: "PRAGMA cell_size_check = ON")
            try db.execute(sql: "PRAGMA trusted_schema = OFF")
        }
        let database = try DatabaseQueue(path: path, configuration: configuration)
        try database.writeWithoutTransaction { db in
            if try JournalSchema.isEmpty(db) { try JournalSchema.create(in: db) }
            if let bytes = options.maximumBytes {
                let pages = try Int64(bytes) / JournalSchema.integer(db, "PRAGMA page_size")
                _ = try JournalSchema.integer(db, "PRAGMA max_page_count = \(max(pages, 1))")
            }
        }
        return database
    }
}
