import Dispatch
import Storage
import Synchronization

/// What limits a round of the executor, whatever its machine.
private enum CommitRound {
    /// The most reads of a round: of a ledger's largest queries they look at four million records.
    static let readLimit = 64
}

/// What waits for the executor: bounded, first come first served. What the executor has taken
/// still counts until it goes to the journal, so the bounds hold for all that waits.
final class CommitQueue<Machine: JournaledMachine>: Sendable {
    private struct State {
        var submissions: [Submission<Machine>] = []
        var reads: [StateRead<Machine>] = []
        /// Commands and bytes that wait here.
        var commands = 0
        var bytes = 0
        /// Commands, bytes and reads that were taken and are not on their way to the journal yet.
        var takenCommands = 0
        var takenBytes = 0
        var takenReads = 0
        /// Whether the thread sleeps until it is woken.
        var sleeping = false
        /// Why nothing is taken in any more.
        var closed: SequencerError?
    }

    /// What the thread does next.
    struct Round {
        var submissions: [Submission<Machine>]
        var reads: [StateRead<Machine>]
    }

    private let options: CommitOptions
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    init(options: CommitOptions) {
        self.options = options
    }

    /// How many commands wait.
    var waiting: Int { state.withLock { $0.commands + $0.takenCommands } }

    /// How many reads wait.
    var waitingReads: Int { state.withLock { $0.reads.count + $0.takenReads } }

    /// Whether nothing is taken in any more.
    var isClosed: Bool { state.withLock { $0.closed != nil } }

    /// Takes work in; says why if it does not.
    func push(_ work: Work<Machine>) -> SequencerError? { push([work]).first?.1 }

    /// Takes work in, in order; gives back what it does not take, and why.
    func push(
        _ works: [Work<Machine>], wakes: Bool = true
    ) -> [(Work<Machine>, SequencerError)] {
        var refused: [(Work<Machine>, SequencerError)] = []
        let wakesNow = state.withLock { state -> Bool in
            for work in works {
                if let refusal = refusal(of: work, state) {
                    refused.append((work, refusal))
                    continue
                }
                switch work {
                case .submission(let submission):
                    state.submissions.append(submission)
                    state.commands += submission.inputs.count
                    state.bytes += submission.bytes
                case .read(let read): state.reads.append(read)
                }
            }
            guard wakes, refused.count < works.count else { return false }
            defer { state.sleeping = false }
            return state.sleeping
        }
        if wakesNow { wake.signal() }
        return refused
    }

    /// Wakes the executor's thread if there is work that nobody told it of.
    func wakeForRest() {
        let wakes = state.withLock { state -> Bool in
            if state.submissions.isEmpty, state.reads.isEmpty { return false }
            defer { state.sleeping = false }
            return state.sleeping
        }
        if wakes { wake.signal() }
    }

    private func refusal(of work: Work<Machine>, _ state: State) -> SequencerError? {
        if let closed = state.closed { return closed }
        switch work {
        case .submission(let submission): return refusal(of: submission, state)
        case .read:
            return state.reads.count + state.takenReads < options.waitingReads ? nil : .busy
        }
    }

    private func refusal(of submission: Submission<Machine>, _ state: State) -> SequencerError? {
        let count = submission.inputs.count
        guard count <= options.commandsPerBatch, submission.bytes <= options.bytesPerBatch else {
            return .tooLarge
        }
        guard state.commands + state.takenCommands + count <= options.waitingCommands,
            state.bytes + state.takenBytes + submission.bytes <= options.waitingBytes
        else { return .busy }
        return nil
    }

    /// Waits for work; false after `stop`, when nothing is left. For the executor's thread only.
    func waitForWork() -> Bool {
        while true {
            let (isThere, ended) = state.withLock { state -> (Bool, Bool) in
                if !state.submissions.isEmpty || !state.reads.isEmpty { return (true, false) }
                state.sleeping = state.closed == nil
                return (false, !state.sleeping)
            }
            if isThere || ended { return isThere }
            wake.wait()
        }
    }

    /// Takes as much as one batch may hold; `nil` if nothing waits. For whoever has the decider.
    func takeNow() -> Round? {
        state.withLock { state in
            state.submissions.isEmpty && state.reads.isEmpty ? nil : next(&state)
        }
    }

    private func next(_ state: inout State) -> Round {
        var round = Round(submissions: [], reads: [])
        // A round's reads come before its submissions, and each may look at many records: with all
        // of them no commit would begin for seconds. Who waits longer sees a later state.
        round.reads = Array(state.reads.prefix(CommitRound.readLimit))
        state.reads.removeFirst(round.reads.count)
        state.takenReads += round.reads.count
        if state.commands <= options.commandsPerBatch, state.bytes <= options.bytesPerBatch {
            swap(&round.submissions, &state.submissions)
            state.takenCommands += state.commands
            state.takenBytes += state.bytes
            state.commands = 0
            state.bytes = 0
            return round
        }
        var commands = 0
        var bytes = 0
        let end = state.submissions.firstIndex { submission in
            commands += submission.inputs.count
            bytes += submission.bytes
            return commands > options.commandsPerBatch || bytes > options.bytesPerBatch
        }
        round.submissions = Array(state.submissions.prefix(end ?? state.submissions.count))
        state.submissions.removeFirst(round.submissions.count)
        for submission in round.submissions {
            state.commands -= submission.inputs.count
            state.takenCommands += submission.inputs.count
            state.bytes -= submission.bytes
            state.takenBytes += submission.bytes
        }
        return round
    }

    /// What was taken is on its way to the journal, or was answered: it makes room.
    func leave(commands: Int, bytes: Int, reads: Int) {
        state.withLock { state in
            state.takenCommands -= commands
            state.takenBytes -= bytes
            state.takenReads -= reads
        }
    }

    /// Takes nothing in any more; what waits is still done.
    func stop() {
        close(.stopped)
    }

    /// Takes nothing in any more and gives back what waits, undone.
    func fail(_ error: SequencerError) -> [Work<Machine>] {
        close(error)
        return state.withLock { state in
            state.closed = error
            let left =
                state.submissions.map(Work<Machine>.submission)
                + state.reads.map(Work<Machine>.read)
            state.submissions = []
            state.reads = []
            return left
        }
    }

    private func close(_ error: SequencerError) {
        let wakes = state.withLock { state in
            if state.closed == nil { state.closed = error }
            defer { state.sleeping = false }
            return state.sleeping
        }
        if wakes { wake.signal() }
    }
}
