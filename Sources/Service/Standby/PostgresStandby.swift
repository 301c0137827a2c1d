import Dispatch
import Foundation
import Primitives
public import Storage
import Synchronization

/// A hot standby of a journal in PostgreSQL: reads what its leader commits, keeps the machine that
/// it leads to, and takes the lead when the leader's lease is older than `PostgresLease.lifetime`.
///
/// The database holds the only copy, so nothing acknowledged can be missing, and the term in each
/// append's condition fences the old leader. Of several standbys one wins; the others follow it.
public final class PostgresStandby<Machine: JournaledMachine>: Sendable {
    private struct State {
        var isForced = false
        var isStopped = false
        var head = JournalHead.empty
    }

    private let conninfo: String
    private let schema: String
    private let options: PostgresJournal.Options
    private let report: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// Nothing is connected before `run`. `options` are those of the opening that takes over.
    public init(
        conninfo: String, schema: String = "exchequer",
        options: PostgresJournal.Options = PostgresJournal.Options(),
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.conninfo = conninfo
        self.schema = schema
        self.options = options
        self.report = report
    }

    /// How far the machine is.
    public var head: JournalHead { state.withLock { $0.head } }

    /// Takes over although the leader lives: an operator's command.
    public func promote() { state.withLock { $0.isForced = true } }

    /// Ends `run`.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// Follows until it has taken over; `nil` after `stop`. Blocks its thread.
    ///
    /// While the server is away it waits. Throws what makes the journal unusable.
    public func run(empty: Machine = Machine()) throws(JournalError) -> Promotion<Machine>? {
        var replay = Replay(empty)
        var verifier = ChainVerifier()
        let lease = try PostgresLease(
            conninfo: conninfo, schema: schema, timeout: PostgresLease.renewal)
        defer { lease.close() }
        var reader: (any JournalReader)?
        defer { reader?.close() }
        var problem = ""
        while !state.withLock({ $0.isStopped }) {
            do throws(JournalError) {
                if reader == nil {
                    let journal = try PostgresJournal(
                        readingOnly: conninfo, schema: schema, options: options)
                    reader = try journal.reader()
                }
                while let page = try reader?.batches(after: verifier.head.sequence), !page.isEmpty {
                    for batch in page { try replay.apply(batch, try verifier.accept(batch)) }
                }
                let head = verifier.head
                state.withLock { $0.head = head }
                let isForced = state.withLock { $0.isForced }
                let reading = try lease.read()
                if isForced || reading.term > 0 && !reading.isAlive {
                    return try takeOver(isForced: isForced, &verifier, &replay)
                }
                problem = ""
            } catch {
                guard error.mayPass else { throw error }
                reader?.close()
                reader = nil
                if problem != "\(error)" { report("the standby waits: \(error)") }
                problem = "\(error)"
            }
            Thread.sleep(forTimeInterval: 0.2)
        }
        return nil
    }

    private func takeOver(
        isForced: Bool, _ verifier: inout ChainVerifier, _ replay: inout Replay<Machine>
    ) throws(JournalError) -> Promotion<Machine> {
        var options = options
        // Without force, a standby that was quicker is alive now and keeps the lead.
        options.takeOver = isForced
        let journal = try PostgresJournal(conninfo: conninfo, schema: schema, options: options)
        let end: JournalHead
        do throws(JournalError) {
            // The lead is taken, so what comes here are the last batches of the old leader.
            end = try journal.recover(after: verifier.head) {
                (batch, _) throws(JournalError) in
                try replay.apply(batch, try verifier.accept(batch))
            }
        } catch {
            try? journal.close()
            throw error
        }
        report("took over with term \(journal.term) after batch \(end.sequence)")
        return Promotion(journal: journal, head: end, machine: replay.machine)
    }
}

extension JournalError {
    /// Whether it says that the server, the journal or the lead is not there now.
    fileprivate var mayPass: Bool {
        switch self {
        case .cannotOpen, .unreachable, .connectionLost, .notAJournal, .locked, .database: true
        default: false
        }
    }
}
