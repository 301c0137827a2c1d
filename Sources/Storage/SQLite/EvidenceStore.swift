import Foundation
import GRDB
public import Primitives

/// Evidence bundles by job, in one SQLite file beside the journal, synced before `keep` returns.
///
/// Evidence is not part of the books: it is what audits and appeals of a job rest on, and may be
/// forgotten when the job is final. A verdict names the hash of what it judged.
public final class EvidenceStore: Sendable {
    private let database: DatabaseQueue
    private let path: String

    /// Opens the store at `path`, or makes it.
    public init(path: String) throws(JournalError) {
        self.path = path
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { db in
                try db.execute(sql: "PRAGMA journal_mode = WAL")
                try db.execute(sql: "PRAGMA synchronous = FULL")
            }
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.write { db in
                try db.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS evidence(\
                        job INTEGER PRIMARY KEY, \
                        digest BLOB NOT NULL, \
                        bundle BLOB NOT NULL) STRICT
                        """)
            }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Writes a job's evidence down, in place of what was there. O(bytes), one sync.
    public func keep(
        _ bundle: [UInt8], job: JobID, digest: Digest
    ) async throws(JournalError) {
        do {
            try await database.write { db in
                try db.execute(
                    sql: """
                        INSERT INTO evidence(job, digest, bundle) VALUES (?, ?, ?) \
                        ON CONFLICT(job) DO UPDATE \
                        SET digest = excluded.digest, bundle = excluded.bundle
                        """,
                    arguments: [Int64(job.rawValue), Data(digest.bytes), Data(bundle)])
            }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// A job's evidence; `nil` if there is none.
    public func bundle(of job: JobID) async throws(JournalError) -> [UInt8]? {
        guard let key = Int64(exactly: job.rawValue) else { return nil }
        do {
            let data = try await database.read { db in
                try Data.fetchOne(
                    db, sql: "SELECT bundle FROM evidence WHERE job = ?", arguments: [key])
            }
            return data.map { Array($0) }
        } catch {
            throw JournalError(error, path: path)
        }
    }

    /// Closes the file.
    public func close() { try? database.close() }
}
