import Dispatch
import Foundation
import Glibc
import Primitives
import Storage
import Synchronization

/// Takes snapshots of a journaled machine on a thread of its own and of low priority, from the
/// journal alone (`SnapshotStore.take`): the pipeline tells it how far the journal goes and waits
/// for nothing.
///
/// After a snapshot it rests four times as long as that took, so at most a fifth of one processor
/// goes into them, however large the state is; after a failure a minute at least. It takes none
/// while there is less memory than the process has already: the second machine must not be what
/// ends the first.
final class Snapshotter<Machine: JournaledMachine>: Sendable {
    private struct State {
        var head: JournalHead
        var checkpoint: StateCheckpoint?
        /// Events and whether anything was committed, since the last snapshot.
        var events: UInt64
        var hasChanged: Bool
        var isStopping = false
        var hasEnded = false
        var waiting: [@Sendable () -> Void] = []
    }

    /// What a snapshot is to be taken of.
    private struct Due {
        let head: JournalHead
        let checkpoint: StateCheckpoint?
        /// Events since the last one.
        let events: UInt64
    }

    private let journal: any Journal
    private let empty: Machine
    private let options: SnapshotOptions
    private let state: Mutex<State>
    private let wake = DispatchSemaphore(value: 0)

    /// Starts the thread. `recovered` is what the pipeline begins with.
    init(
        of journal: any Journal, _ recovered: borrowing RecoveredMachine<Machine>, empty: Machine,
        options: SnapshotOptions
    ) {
        self.journal = journal
        self.empty = empty
        self.options = options
        let replayed = recovered.replayed
        state = Mutex(
            State(
                head: recovered.head, checkpoint: recovered.checkpoint, events: replayed,
                hasChanged: replayed > 0))
        let thread = Thread { [self] in work() }
        thread.name = "exchequer.snapshots"
        thread.stackSize = 16 << 20
        thread.start()
    }

    /// A batch is durable.
    func committed(_ head: JournalHead, _ batch: borrowing OpenBatch<Machine>) {
        var events: UInt64 = 0
        for decided in batch.decided {
            for input in decided.submission.inputs { events += Machine.ticks(of: input) }
        }
        let isDue = state.withLock { state in
            state.head = head
            state.hasChanged = true
            let before = state.events
            state.events += events
            return before < options.events && state.events >= options.events
        }
        if isDue { wake.signal() }
    }

    /// A state hash was recorded; the next snapshot's replay must reach it.
    func recorded(_ checkpoint: StateCheckpoint) {
        state.withLock { $0.checkpoint = checkpoint }
    }

    /// Takes no more, and gives up the one under way.
    func stop() {
        state.withLock { $0.isStopping = true }
        wake.signal()
    }

    /// Calls `body` once the thread has ended.
    func whenStopped(_ body: @escaping @Sendable () -> Void) {
        let hasEnded = state.withLock { state in
            if !state.hasEnded { state.waiting.append(body) }
            return state.hasEnded
        }
        if hasEnded { body() }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func work() {
        // On Linux this is the thread's own priority.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
        var last = ContinuousClock.now
        var rested = last
        while let due = waitUntilDue(since: last, notBefore: rested) {
            last = .now
            let isFine = take(due)
            let pause = last.duration(to: .now) * 4
            rested = ContinuousClock.now + (isFine ? pause : max(pause, .seconds(60)))
            if !isFine {
                state.withLock { state in
                    state.hasChanged = true
                    state.events += due.events
                }
            }
        }
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for body in waiting { body() }
    }

    /// Waits for enough events, or for time to pass and any event; `nil` when stopping.
    private func waitUntilDue(
        since last: ContinuousClock.Instant, notBefore rested: ContinuousClock.Instant
    ) -> Due? {
        while true {
            let (due, pause) = state.withLock { state -> (Due?, Duration?) in
                if state.isStopping { return (nil, nil) }
                let now = ContinuousClock.now
                let isFull = state.events >= options.events
                let next = max(rested, isFull ? rested : last + options.interval)
                guard state.hasChanged, next <= now else {
                    return (nil, state.hasChanged ? now.duration(to: next) : options.interval)
                }
                let due = Due(
                    head: state.head, checkpoint: state.checkpoint, events: state.events)
                state.events = 0
                state.hasChanged = false
                return (due, nil)
            }
            if let due { return due }
            guard let pause else { return nil }
            let seconds = min(max(pause / .seconds(1), 0.001), 3_600)
            _ = wake.wait(timeout: .now() + seconds)
        }
    }

    /// Takes one; false if that failed.
    private func take(_ due: Due) -> Bool {
        let needed = MemoryRoom.used
        if let room = options.availableMemory(), room < needed {
            options.notice(
                .failed("it needs about \(needed) bytes of memory, and \(room) can be had"))
            return false
        }
        do throws(SnapshotError) {
            let info = try options.store.take(
                of: journal, upTo: due.head, checkpoint: due.checkpoint, empty: empty,
                isCancelled: { [self] in isStopping }, notice: options.notice)
            if let info { options.notice(.written(info)) }
            return true
        } catch {
            if isStopping || error == .cancelled { return false }
            options.notice(.failed("\(error)"))
            return false
        }
    }
}
