import Foundation
import GRDB
public import Primitives
import Synchronization

/// Evidence bundles by job, in one SQLite file beside the journal, synced before `keep` returns.
/// Jobs that end while a sync runs share the next one.
///
/// Evidence is not part of the books: it is what audits and appeals of a job rest on, and is
/// forgotten some time after the job is final. A verdict names the hash of what it judged. Readers
/// do not wait for the writer.
public final class EvidenceStore: Sendable {
    /// The version of the format.
    private static let version = 1
    private let database: DatabasePool
    private let path: String
    private let queue = Mutex(Queue())

    private struct Row: Sendable {
        let job: JobID
        let keptAt: Int64
        let digest: Digest
        let receipts, bundle: [UInt8]
    }

    /// What waits to be written, and who to tell.
    private struct Queue {
        var waiting: [(row: Row, done: CheckedContinuation<JournalError?, Never>)] = []
        var isWriting = false
    }

    /// Opens the store at `path`, or makes it.
    public init(path: String) throws(JournalError) {
        self.path = path
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.maximumReaderCount = 4
            configuration.prepareDatabase { db in
                if !db.configuration.readonly {
                    try db.execute(sql: "PRAGMA synchronous = FULL")
                }
            }
            database = try DatabasePool(path: path, configuration: configuration)
            try database.write { db in
                let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
                let isNew = try !db.tableExists("evidence")
                guard isNew || version == Self.version else {
                    throw JournalError.unsupportedVersion(Int64(version))
                }
                try db.execute(sql: "PRAGMA user_version = \(Self.version)")
                try db.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS evidence(\
                        job INTEGER PRIMARY KEY, \
                        kept_at INTEGER NOT NULL, \
                        digest BLOB NOT NULL, \
                        receipts BLOB NOT NULL, \
                        bundle BLOB NOT NULL) STRICT
                        """)
            }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Writes a job's evidence down, in place of what was there; `receipts` are what may be shown
    /// to anyone. O(bytes), and a sync that is shared with what else waits.
    public func keep(
        _ bundle: [UInt8], job: JobID, digest: Digest, receipts: [UInt8]
    ) async throws(JournalError) {
        let row = Row(
            job: job, keptAt: Int64(max(Date().timeIntervalSince1970, 0)), digest: digest,
            receipts: receipts, bundle: bundle)
        let problem = await withCheckedContinuation { done in
            let isFirst = queue.withLock { queue in
                queue.waiting.append((row, done))
                defer { queue.isWriting = true }
                return !queue.isWriting
            }
            if isFirst { Task { await writeWaiting() } }
        }
        if let problem { throw problem }
    }

    /// Writes what waits, one transaction after the other, until nothing does.
    private func writeWaiting() async {
        while true {
            let batch = queue.withLock { queue in
                defer { queue.waiting = [] }
                if queue.waiting.isEmpty { queue.isWriting = false }
                return queue.waiting
            }
            if batch.isEmpty { return }
            var problem: JournalError?
            do {
                let rows = batch.map(\.row)
                try await database.write { db in for row in rows { try Self.insert(row, db) } }
            } catch {
                problem = JournalError(error, path: path)
            }
            for (_, done) in batch { done.resume(returning: problem) }
        }
    }

    private static func insert(_ row: Row, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO evidence(job, kept_at, digest, receipts, bundle) \
                VALUES (?, ?, ?, ?, ?) ON CONFLICT(job) DO UPDATE \
                SET kept_at = excluded.kept_at, digest = excluded.digest, \
                receipts = excluded.receipts, bundle = excluded.bundle
                """,
            arguments: [
                Int64(row.job.rawValue), row.keptAt, Data(row.digest.bytes), Data(row.receipts),
                Data(row.bundle),
            ])
    }

    /// A job's evidence; `nil` if there is none.
    public func bundle(of job: JobID) async throws(JournalError) -> [UInt8]? {
        try await column("bundle", of: job)
    }

    /// The hash of a job's evidence; `nil` if there is none.
    public func digest(of job: JobID) async throws(JournalError) -> Digest? {
        try await column("digest", of: job).flatMap { Digest($0) }
    }

    /// What the stages of a job signed, as it was handed to `keep`; `nil` if there is none.
    public func receipts(of job: JobID) async throws(JournalError) -> [UInt8]? {
        try await column("receipts", of: job)
    }

    private func column(_ name: String, of job: JobID) async throws(JournalError) -> [UInt8]? {
        guard let key = Int64(exactly: job.rawValue) else { return nil }
        do {
            let data = try await database.read { db in
                try Data.fetchOne(
                    db, sql: "SELECT \(name) FROM evidence WHERE job = ?", arguments: [key])
            }
            return data.map { Array($0) }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Forgets evidence that was kept more than `seconds` ago of jobs before `job`, at most a
    /// thousand at a time. Returns how many there were.
    @discardableResult
    public func forget(
        olderThan seconds: Int64, before job: JobID
    ) async throws(JournalError) -> Int {
        let cutoff = Int64(max(Date().timeIntervalSince1970, 0)) - seconds
        let first = Int64(clamping: job.rawValue)
        do {
            return try await database.write { db in
                try db.execute(
                    sql: """
                        DELETE FROM evidence WHERE job IN (SELECT job FROM evidence \
                        WHERE job < ? AND kept_at < ? ORDER BY job LIMIT 1000)
                        """, arguments: [first, cutoff])
                return db.changesCount
            }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Closes the file.
    public func close() { try? database.close() }
}
