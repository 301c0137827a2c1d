import Dispatch
import GRDB
import Synchronization

/// Copies the write-ahead log into the database file on a thread and a connection of its own, so
/// that commits do not wait for it. (SQLite calls this a checkpoint.)
///
/// Whenever the log has reached its limit the writer waits until it is cut: that is quick, because
/// all but its end was copied before.
final class LogCopier: Sendable {
    private struct State {
        var uncopied = 0
        var logBytes = 0
        var running = false
        var closed = false
        var failure: JournalError?
    }

    private let database: DatabaseQueue
    private let queue = DispatchQueue(label: "exchequer.journal.log")
    private let options: SQLiteJournal.Options
    private let path: String
    private let state = Mutex(State())

    init(path: String, options: SQLiteJournal.Options) throws {
        var configuration = Configuration()
        configuration.label = "exchequer.journal.log"
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
        }
        database = try DatabaseQueue(path: path, configuration: configuration)
        self.options = options
        self.path = path
    }

    /// Why the log could not be copied, if it could not.
    var failure: JournalError? { state.withLock { $0.failure } }

    /// Takes note of what was written and starts copying when it is time to.
    func wrote(_ bytes: Int) throws(JournalError) {
        let (start, wait) = state.withLock { state in
            state.uncopied += bytes
            state.logBytes += bytes
            let wait = state.logBytes > options.logLimitBytes
            let start = !wait && !state.running && state.uncopied > options.checkpointBytes
            if start { state.running = true }
            return (start, wait)
        }
        if start { queue.async { [self] in copy(.passive) } }
        if wait { queue.sync { copy(.truncate) } }
        if let failure { throw failure }
    }

    /// Waits for the copy that runs and closes the connection.
    func close() {
        queue.sync {
            state.withLock { $0.closed = true }
            try? database.close()
        }
    }

    private func copy(_ kind: Database.CheckpointMode) {
        if state.withLock({ $0.closed }) { return }
        let before = state.withLock { $0.uncopied }
        do {
            _ = try database.writeWithoutTransaction { try $0.checkpoint(kind) }
            state.withLock { state in
                state.running = false
                state.uncopied -= before
                // The writer waits for a cut, so nothing was written meanwhile.
                if kind == .truncate { state.logBytes = 0 }
            }
        } catch DatabaseError.SQLITE_BUSY {
            // Someone reads from the log: it can be cut another time.
            state.withLock { $0.running = false }
        } catch {
            state.withLock { state in
                state.running = false
                state.failure = JournalError(error, path: path)
            }
        }
    }
}
