import Dispatch
import Synchronization

/// Renews a leader's lease every second, on a thread and a connection of its own, so that neither
/// a long commit nor an idle journal lets it grow old. So it is also the first to hear of another
/// leader, and says so once (`PostgresJournal.Options.onFenced`).
final class LeaseKeeper: Sendable {
    private struct State {
        var connection: PostgresConnection?
        var fencedBy: UInt64?
        var closed = false
    }

    private let term: UInt64
    private let session: PostgresSession
    private let queue = DispatchQueue(label: "exchequer.journal.lease")
    private let state = Mutex(State())

    /// Starts to renew the lease of `term`.
    init(term: UInt64, session: PostgresSession) {
        self.term = term
        self.session = session
        renewLater()
    }

    /// The term of the leader that took over, once a renewal has found one.
    var fencedBy: UInt64? { state.withLock { $0.fencedBy } }

    /// Stops, and ends the lease so that the next leader need not wait for its age.
    func close() {
        queue.sync {
            let wasOpen = state.withLock { state in
                defer { state.closed = true }
                return !state.closed
            }
            guard wasOpen else { return }
            // If the server is away the lease grows old by itself.
            _ = try? update(session.schema.endLease)
            state.withLock { $0.connection = nil }
        }
    }

    private func renewLater() {
        let (seconds, attoseconds) = PostgresLease.renewal.components
        let interval = Int(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
        queue.asyncAfter(deadline: .now() + .milliseconds(interval)) { [weak self] in
            guard let self, !state.withLock({ $0.closed || $0.fencedBy != nil }) else { return }
            renew()
            renewLater()
        }
    }

    /// A server that is away is asked again at the next renewal: the lease is no fence, and the
    /// journal itself notices when it cannot write.
    private func renew() {
        do throws(PostgresError) {
            if try update(session.schema.renewLease) > 0 { return }
            let leader = try perform(.run(session.schema.selectLeader))
            let found = leader.rows > 0 ? leader.integer(0, 0) : nil
            let term = UInt64(max(found ?? 0, 0))
            state.withLock { $0.fencedBy = term }
            session.options.onFenced(term)
        } catch {
            if error.isConnectionLost { state.withLock { $0.connection = nil } }
        }
    }

    /// How many rows the statement changed.
    private func update(_ sql: String) throws(PostgresError) -> Int {
        try perform(.run(sql, [.integer(Int64(term))])).changes
    }

    private func perform(_ step: PostgresConnection.Step) throws(PostgresError) -> PostgresResult {
        var connection = state.withLock { $0.connection }
        if connection == nil {
            connection = try PostgresConnection(
                session.address, timeout: PostgresLease.lifetime)
            // A renewal that a crash undoes is no loss.
            try connection?.perform(
                PostgresSession.settings(readOnly: false)
                    + [.run("SET synchronous_commit = off")])
            state.withLock { [connection] in $0.connection = connection }
        }
        guard let connection else { throw PostgresError("it is closed", isConnectionLost: true) }
        return try connection.perform([step])[0]
    }
}
