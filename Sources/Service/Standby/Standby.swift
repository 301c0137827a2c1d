import Primitives
public import Storage
import Synchronization
import Transport

/// A hot standby: listens for its leader, keeps a verified and durable copy of its journal and the
/// machine that it leads to, and takes over when the leader is gone.
///
///     let standby = try await Standby(options, empty: LedgerMachine())
///     if let promotion = try await standby.promotion() {
///         let service = try LedgerService(promotion, clock: { .systemNow })
///     }
///
/// It takes over by itself only from a leader in `sync` mode that it was in sync with; else
/// `promote` is for an operator. It goes on refusing old leaders until `stop`.
public final class Standby<Machine: JournaledMachine>: Sendable {
    private struct State {
        var outcome: Result<Promotion<Machine>?, JournalError>?
        var waiting: CheckedContinuation<Void, Never>?
        var isForced = false
        var sessions: UInt64 = 0
        var tasks: [Task<Void, Never>] = []
    }

    private let options: StandbyOptions
    private let books: StandbyBooks<Machine>
    private let listener: SecureListener
    private let state = Mutex(State())

    /// Opens and replays the copy, and listens.
    ///
    /// Throws `JournalError` for a copy that cannot be used and `SecureLinkError` for a port that
    /// cannot be listened on. A standby that was promoted before takes over at once.
    public init(_ options: StandbyOptions, empty: Machine = Machine()) async throws {
        self.options = options
        books = try StandbyBooks(options, empty: empty)
        do {
            listener = try await SecureListener.bind(
                host: options.host, port: options.port, identity: options.identity,
                options: ReplicationLink.options(timeout: options.answerTimeout),
                onRefused: { options.report("a connection was turned away: \($0)") })
        } catch {
            books.close()
            throw error
        }
        let tasks = [
            Task.detached(executorPreference: ReplicationThreads.shared) { await self.accept() },
            Task.detached(executorPreference: ReplicationThreads.shared) { await self.watch() },
        ]
        state.withLock { $0.tasks = tasks }
    }

    /// The port that is listened on.
    public var port: Int { listener.port }
    /// How far the copy goes: durable and replayed.
    public var head: JournalHead { books.head }
    /// Whether everything that the leader acknowledged is here.
    public var isInSync: Bool { books.isInSync }
    /// Whether it took over.
    public var isPromoted: Bool { books.isPromoted }

    /// Waits until this standby has taken over; `nil` after `stop`.
    ///
    /// Throws what made the copy unusable.
    public func promotion() async throws(JournalError) -> Promotion<Machine>? {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.outcome == nil { state.waiting = continuation }
                return state.outcome != nil
            }
            if isOver { continuation.resume() }
        }
        return try state.withLock { $0.outcome }?.get() ?? nil
    }

    /// Takes over although the leader may live, or although this standby may lack what it has
    /// acknowledged: an operator's command.
    public func promote() { state.withLock { $0.isForced = true } }

    /// Stops listening; closes the copy unless it was promoted.
    public func stop() {
        listener.close()
        for task in state.withLock({ $0.tasks }) { task.cancel() }
        books.close()
        finish(.success(nil))
    }

    private func finish(_ outcome: Result<Promotion<Machine>?, JournalError>) {
        let waiting = state.withLock { state in
            if state.outcome == nil { state.outcome = outcome }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    // MARK: Taking over

    private func watch() async {
        while !Task.isCancelled {
            if let failure = books.failure { return finish(.failure(failure)) }
            let isForced = state.withLock { $0.isForced }
            if books.isPromoted || isForced || books.isTakeoverDue(at: .now) {
                return takeOver()
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private func takeOver() {
        do throws(JournalError) {
            let promotion = try books.promote()
            options.report(
                "took over with term \(promotion.journal.term) after batch "
                    + "\(promotion.head.sequence)")
            finish(.success(promotion))
        } catch {
            finish(.failure(error))
        }
    }

    // MARK: Sessions

    private func accept() async {
        for await link in listener.links {
            let number = state.withLock { state in
                state.sessions += 1
                return state.sessions
            }
            Task.detached(executorPreference: ReplicationThreads.shared) {
                await self.serve(
                    ReplicationLink(link: link, timeout: self.options.answerTimeout),
                    session: number)
            }
        }
    }

    private func serve(_ link: ReplicationLink, session: UInt64) async {
        do {
            try await talk(link, session: session)
        } catch let refusal as ReplicationRefusal {
            options.report("turned a leader away: \(refusal.words)")
            try? await link.send(.refused(refusal))
        } catch is CodecError {
            let words = "this standby speaks version \(ReplicationMessage.version) of replication"
            try? await link.send(
                .refused(ReplicationRefusal(reason: .protocolError, term: 0, words: words)))
        } catch {
            options.report("the leader is not connected any more: \(error)")
        }
        books.leave(session)
        link.link.close()
    }

    private func talk(_ link: ReplicationLink, session: UInt64) async throws {
        // Read before anything is refused: closing a socket with unread bytes in it resets the
        // connection, and the refusal would be lost on the way.
        guard case .hello(let hello) = try await link.answer() else {
            throw StandbySession.unexpected
        }
        guard link.link.peer == options.leader else {
            throw ReplicationRefusal(
                reason: .unknownPeer, term: 0, words: "this standby follows another key")
        }
        try await link.send(try books.welcome(hello))
        var next = try await link.answer()
        if case .fetch(let sequence) = next {
            try await send(link, after: sequence)
            next = try await StandbySession.lead(link)
        }
        guard case .lead(let term, let head) = next else { throw StandbySession.unexpected }
        try await link.send(
            try books.grant(hello, term: term, head: head, session: session))
        options.report("follows a leader of term \(term) from batch \(books.head.sequence)")
        while true {
            switch try await link.receive() {
            case .batch(let batch):
                try await link.send(try books.append(batch, session: session))
            case .heartbeat: try await link.send(try books.heartbeat(session: session))
            case .farewell: return books.farewell(session: session)
            default: throw StandbySession.unexpected
            }
        }
    }

    /// Sends everything after `sequence` to a leader that lacks it.
    private func send(_ link: ReplicationLink, after sequence: UInt64) async throws {
        let reader = try books.reader()
        defer { reader.close() }
        var last = sequence
        while true {
            let page = try reader.batches(after: last)
            if page.isEmpty { return }
            for batch in page { try await link.send(.batch(batch)) }
            last = page[page.count - 1].sequence
        }
    }
}

/// What does not depend on the machine.
enum StandbySession {
    static let unexpected = ReplicationRefusal(
        reason: .protocolError, term: 0, words: "a message that was not expected here")

    /// The lead of a leader that fetches first: that may take its disk a while.
    static func lead(_ link: ReplicationLink) async throws -> ReplicationMessage {
        let watch = Task {
            try await Task.sleep(for: .seconds(60))
            link.link.close()
        }
        defer { watch.cancel() }
        return try await link.receive()
    }
}
