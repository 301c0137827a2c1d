import Dispatch
import Storage
import Synchronization

/// Between the two threads of the commit pipeline: what was decided while the last batch went to
/// disk. The executor adds to it, the committer takes all of it at once, so everyone who came
/// during one sync shares the next.
final class CommitBuffer<Machine: JournaledMachine>: Sendable {
    private struct State {
        var open = OpenBatch<Machine>()
        /// Whether the committer has a batch that it has not finished.
        var committing = false
        var committerSleeps = false
        var executorWaits = false
        var finished = false
        var failure: SequencerError?
    }

    private let commandLimit: Int
    private let byteLimit: Int
    private let state = Mutex(State())
    private let committerWake = DispatchSemaphore(value: 0)
    private let executorWake = DispatchSemaphore(value: 0)

    /// A batch holds at most so much, and at least one submission.
    init(commandLimit: Int, byteLimit: Int) {
        self.commandLimit = commandLimit
        self.byteLimit = byteLimit
    }

    /// What became of an attempt to add.
    enum Addition {
        case added
        /// It does not fit until the committer has taken what is here.
        case full
        case failed(SequencerError)
    }

    /// Adds what was decided; waits while it does not fit. Gives it back if the journal has failed.
    /// For the executor only.
    func add(_ batch: OpenBatch<Machine>) -> (OpenBatch<Machine>, SequencerError)? {
        while true {
            switch addNow(batch) {
            case .added: return nil
            case .full: executorWake.wait()
            case .failed(let failure): return (batch, failure)
            }
        }
    }

    /// As `add`, but does not wait.
    func addNow(_ batch: OpenBatch<Machine>) -> Addition {
        let (addition, wakes) = state.withLock { state -> (Addition, Bool) in
            if let failure = state.failure { return (.failed(failure), false) }
            if !fits(batch, in: state.open) {
                state.executorWaits = true
                return (.full, false)
            }
            state.open.append(batch)
            defer { state.committerSleeps = false }
            return (.added, state.committerSleeps)
        }
        if wakes { committerWake.signal() }
        return addition
    }

    /// Whether everything that was decided is durable. For the executor only, because only it could
    /// change that.
    var isIdle: Bool { state.withLock { $0.open.isEmpty && !$0.committing } }

    /// Whether the executor may commit by itself now, because nothing else is under way; then
    /// nothing is taken until `endCommit`.
    func beginCommit() -> Bool {
        state.withLock { state in
            guard state.open.isEmpty, !state.committing, state.failure == nil else { return false }
            state.committing = true
            return true
        }
    }

    /// What was taken, or begun with `beginCommit`, is durable.
    func endCommit() { state.withLock { $0.committing = false } }

    /// Why nothing is taken in any more: the journal has failed.
    var failure: SequencerError? { state.withLock { $0.failure } }

    /// Waits for something to commit and takes all of it; `nil` after `finish`, when nothing is
    /// left, or a failure. For the committer only, which calls `endCommit` in between.
    func take() -> OpenBatch<Machine>? {
        while true {
            let (batch, ended) = takeNow()
            if batch != nil || ended { return batch }
            committerWake.wait()
        }
    }

    /// As `take`, but does not wait: no batch if there is nothing to commit; says whether there
    /// will be none any more.
    func takeNow() -> (batch: OpenBatch<Machine>?, ended: Bool) {
        let (batch, ended, wakes) = state.withLock { state -> (OpenBatch<Machine>?, Bool, Bool) in
            if state.open.isEmpty {
                let ended = state.finished || state.failure != nil
                state.committerSleeps = !ended
                return (nil, ended, false)
            }
            state.committing = true
            defer { state.executorWaits = false }
            var taken = OpenBatch<Machine>()
            swap(&taken, &state.open)
            return (taken, false, state.executorWaits)
        }
        if wakes { executorWake.signal() }
        return (batch, ended)
    }

    /// Nothing more will be added.
    func finish() {
        let wakes = state.withLock { state in
            state.finished = true
            defer { state.committerSleeps = false }
            return state.committerSleeps
        }
        if wakes { committerWake.signal() }
    }

    /// Takes nothing in any more and gives back what is here.
    func fail(_ error: SequencerError) -> OpenBatch<Machine> {
        let (left, wakesExecutor, wakesCommitter) = state.withLock { state in
            state.failure = error
            var left = OpenBatch<Machine>()
            swap(&left, &state.open)
            defer {
                state.executorWaits = false
                state.committerSleeps = false
            }
            return (left, state.executorWaits, state.committerSleeps)
        }
        if wakesExecutor { executorWake.signal() }
        if wakesCommitter { committerWake.signal() }
        return left
    }

    private func fits(_ batch: borrowing OpenBatch<Machine>, in open: OpenBatch<Machine>) -> Bool {
        if open.isEmpty { return true }
        return !open.isSealed && open.commands + batch.commands <= commandLimit
            && open.bytes + batch.bytes <= byteLimit
    }
}
