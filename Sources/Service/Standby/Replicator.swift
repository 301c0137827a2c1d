import Dispatch
import Foundation
import Primitives
import Storage
import Synchronization
import Transport

/// The leader's end of replication: keeps one connection to the standby, sends it every batch and
/// notes what it has acknowledged. A session is `Replicator+Session.swift`.
final class Replicator: Sendable {
    /// A standby that answered and was not told to follow yet.
    struct Meeting: Sendable {
        let link: ReplicationLink
        /// How far its journal goes.
        let head: ChainPoint
        /// The newest term that it granted.
        let term: UInt64
    }

    struct State {
        var term: UInt64
        /// Whether the standby granted this process its term.
        var isGranted = false
        /// How far the standby is; `nil` while there is none.
        var standby: UInt64?
        /// Counts whatever the standby said: as long as it grows, the standby is at work.
        var progress: UInt64 = 0
        /// Whether the leader goes on without a standby until one has caught up.
        var isAlone = false
        /// Newest batches, so that they need not be read from the disk, or before they are on it.
        var recent: [JournalBatch] = []
        var recentBytes = 0
        var head: ChainPoint = JournalHead.empty.point
        var failure: JournalError?
        var problem = "it was never reached"
        /// Whether `problem` is what the standby itself said.
        var isRefused = false
        var isStopped = false
        var isWaiting = false
        var wake: AsyncStream<Void>.Continuation?
        var link: ReplicationLink?
    }

    let options: ReplicationOptions
    let reader: any JournalReader
    /// This process's random name.
    let name: Digest
    let state: Mutex<State>
    private let acknowledged = DispatchSemaphore(value: 0)
    /// Batches that wait in memory; the rest is read from the journal.
    private static let recentLimit = 64 << 20

    init(_ options: ReplicationOptions, reader: any JournalReader, term: UInt64) {
        self.options = options
        self.reader = reader
        name = Digest(Entropy.bytes(32)) ?? .zero
        state = Mutex(State(term: term))
    }

    var term: UInt64 { state.withLock { $0.term } }
    var standbySequence: UInt64? { state.withLock { $0.standby } }

    // MARK: The committer's thread

    /// Connects; `nil` if there is no standby and this leader need not wait for one.
    func meet() throws(JournalError) -> Meeting? {
        let deadline = ContinuousClock.now + options.timeout
        while true {
            let found = ReplicationThreads.wait { await self.attempt() }
            try check()
            if let found { return found }
            if options.acknowledgement == .async { return nil }
            if ContinuousClock.now >= deadline {
                guard options.alone else { throw unavailable }
                state.withLock { $0.isAlone = true }
                return nil
            }
            Thread.sleep(forTimeInterval: 0.2)
        }
    }

    /// Fetches what the standby holds after `sequence`.
    func fetch(
        _ meeting: Meeting, after sequence: UInt64,
        _ body: (JournalBatch) throws(JournalError) -> Void
    ) throws(JournalError) {
        let link = meeting.link
        var last = sequence
        var message = ReplicationThreads.wait { () -> ReplicationMessage? in
            try? await link.send(.fetch(after: sequence))
            return try? await link.answer()
        }
        while last < meeting.head.sequence {
            guard case .batch(let batch)? = message else {
                link.link.close()
                throw .standby("it stopped sending what this journal lacks")
            }
            try body(batch)
            last = batch.sequence
            if last < meeting.head.sequence {
                message = ReplicationThreads.wait { try? await link.answer() }
            }
        }
    }

    /// Replicates from now on; the journal goes as far as `head`.
    func start(_ meeting: Meeting?, after head: JournalHead) {
        state.withLock { $0.head = head.point }
        Task.detached(executorPreference: ReplicationThreads.shared) { await self.run(meeting) }
    }

    /// Throws if nothing may be written any more.
    func check() throws(JournalError) {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// Has a batch sent.
    func offer(_ batch: JournalBatch) {
        state.withLock { state in
            state.head = batch.head.point
            state.recent.append(batch)
            state.recentBytes += batch.body.count + 128
            var dropped = 0
            while state.recentBytes > Replicator.recentLimit, dropped + 1 < state.recent.count {
                state.recentBytes -= state.recent[dropped].body.count + 128
                dropped += 1
            }
            state.recent.removeFirst(dropped)
            state.wake?.yield()
        }
    }

    /// Returns when the standby holds everything up to `sequence`, or need not.
    func wait(for sequence: UInt64) throws(JournalError) {
        var seen: UInt64?
        var deadline = ContinuousClock.now
        while true {
            let (isDone, failure, progress) = state.withLock {
                state -> (Bool, JournalError?, UInt64) in
                let reached = state.standby.map { $0 >= sequence } ?? false
                if reached { state.isAlone = false }
                state.isWaiting = !reached
                return (reached || state.isAlone, state.failure, state.progress)
            }
            if let failure { throw failure }
            if isDone { return }
            if progress != seen {
                seen = progress
                deadline = .now + options.timeout
            } else if ContinuousClock.now >= deadline {
                guard options.alone else { throw unavailable }
                state.withLock { $0.isAlone = true }
                options.report("going on without the standby: it did not answer")
                return
            }
            _ = acknowledged.wait(timeout: .now() + .milliseconds(100))
        }
    }

    /// Ends replication; without a failure the standby is told that nobody need take over, and
    /// closes the connection when it has read that: closing first, with its last answer unread,
    /// would reset the connection and lose the farewell on the way.
    func stop() {
        let (link, isOrderly) = state.withLock { state -> (ReplicationLink?, Bool) in
            defer { state.isStopped = true }
            let first = !state.isStopped
            return (first ? state.link : nil, state.failure == nil)
        }
        guard let link else { return }
        ReplicationThreads.wait { () -> Void? in
            if isOrderly, (try? await link.send(.farewell)) != nil {
                let deadline = ContinuousClock.now + link.timeout
                while self.state.withLock({ $0.link != nil }), ContinuousClock.now < deadline {
                    try? await Task.sleep(for: .milliseconds(5))
                }
            }
            link.link.close()
            return nil
        }
    }

    /// Nothing is written any more.
    func fail(_ error: JournalError) {
        let link = state.withLock { state in
            if state.failure == nil { state.failure = error }
            return state.link
        }
        link?.link.close()
        acknowledged.signal()
    }

    private var unavailable: JournalError {
        let problem = state.withLock { $0.problem }
        return .standby("nothing came for \(options.timeout): \(problem)")
    }

    // MARK: The session's side

    /// Notes what the standby said.
    func note(_ point: ChainPoint) {
        let wakes = state.withLock { state in
            state.standby = point.sequence
            state.progress += 1
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if wakes { acknowledged.signal() }
    }

    /// Batches that follow `sequence`, in order.
    func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch] {
        let (found, isBehind) = state.withLock { state -> ([JournalBatch], Bool) in
            guard state.head.sequence > sequence else { return ([], false) }
            guard let first = state.recent.first?.sequence, first <= sequence + 1 else {
                return ([], true)
            }
            return (Array(state.recent[Int(sequence + 1 - first)...].prefix(64)), false)
        }
        return isBehind ? try reader.batches(after: sequence) : found
    }
}
