import Primitives
import Storage

/// Commands that stay together, and who waits for what comes of them.
struct Submission<Machine: JournaledMachine>: Sendable {
    typealias Reply = @Sendable (Result<[Machine.Output], SequencerError>) -> Void

    let inputs: [Machine.Input]
    /// The canonical bytes of each input, as they are journaled.
    let encoded: [[UInt8]]
    /// What they take in a journal.
    let bytes: Int
    let reply: Reply

    init(inputs: [Machine.Input], encoded: [[UInt8]], reply: @escaping Reply) {
        self.inputs = inputs
        self.encoded = encoded
        bytes = encoded.reduce(0) { $0 + $1.count + JournalLimits.entryOverhead }
        self.reply = reply
    }
}

/// Someone who wants to look at the state.
struct StateRead<Machine: JournaledMachine>: Sendable {
    /// What becomes of a look: the head of the journal once what was seen is durable, or why not.
    typealias Release = @Sendable (Result<JournalHead, SequencerError>) -> Void

    /// Whether the head must lead to just the state that was seen, and not to a later one.
    let isExact: Bool
    /// Looks at the state; gives what is to be called once that state is durable.
    let look: @Sendable (borrowing Machine) -> Release
    let fail: @Sendable (SequencerError) -> Void
}

/// Something to do.
enum Work<Machine: JournaledMachine>: Sendable {
    case submission(Submission<Machine>)
    case read(StateRead<Machine>)

    /// Tells whoever waits that it will not be done.
    func fail(_ error: SequencerError) {
        switch self {
        case .submission(let submission): submission.reply(.failure(error))
        case .read(let read): read.fail(error)
        }
    }
}

/// Commands that were decided but are not durable yet, with everyone who waits for that.
struct OpenBatch<Machine: JournaledMachine>: Sendable {
    /// A submission and what came of it.
    struct Decided: Sendable {
        let submission: Submission<Machine>
        let outputs: [Machine.Output]
    }

    /// The accepted commands, in order.
    var entries: [JournalEntry] = []
    var decided: [Decided] = []
    var rejected: UInt64 = 0
    /// Reads that saw the state after these commands.
    var reads: [StateRead<Machine>.Release] = []
    /// The hash of the state after these commands, to be recorded.
    var stateHash: Digest?
    /// Whether nothing may be added: the next command starts another batch.
    var isSealed = false
    /// Commands, accepted or not, and the bytes they take in a journal.
    var commands = 0
    var bytes = 0

    var isEmpty: Bool { decided.isEmpty && reads.isEmpty && stateHash == nil }

    /// Adds what comes after this batch to it.
    mutating func append(_ next: OpenBatch) {
        if isEmpty {
            self = next
            return
        }
        entries += next.entries
        decided += next.decided
        rejected += next.rejected
        reads += next.reads
        stateHash = next.stateHash
        isSealed = next.isSealed
        commands += next.commands
        bytes += next.bytes
    }

    /// Tells everyone that it is durable now.
    func release(at head: JournalHead) {
        for one in decided { one.submission.reply(.success(one.outputs)) }
        for read in reads { read(.success(head)) }
    }

    /// Tells everyone that nobody knows whether it is.
    func fail(_ error: SequencerError) {
        for one in decided { one.submission.reply(.failure(error)) }
        for read in reads { read(.failure(error)) }
    }
}

/// Decides commands in order. A value: the commit pipeline drives it with a clock and threads, a
/// simulation with neither.
struct Executor<Machine: JournaledMachine>: Sendable {
    private(set) var machine: Machine
    /// The last time that was given.
    private var latest: Timestamp

    init(_ machine: Machine, after head: JournalHead) {
        latest = max(machine.now, head.time)
        self.machine = machine
    }

    /// Applies every command at a time of its own, `now` or as soon after the last one as its
    /// events allow.
    mutating func execute(
        _ submissions: [Submission<Machine>], now: Timestamp
    ) -> OpenBatch<Machine> {
        var batch = OpenBatch<Machine>()
        batch.decided.reserveCapacity(submissions.count)
        for submission in submissions {
            var outputs: [Machine.Output] = []
            outputs.reserveCapacity(submission.inputs.count)
            for (place, input) in submission.inputs.enumerated() {
                let earliest = latest.nanoseconds + Machine.ticks(of: input)
                latest = max(now, Timestamp(nanoseconds: earliest))
                let output = machine.apply(input, at: latest)
                if Machine.rejection(in: output) == nil {
                    batch.entries.append(
                        JournalEntry(time: latest, command: submission.encoded[place]))
                } else {
                    batch.rejected += 1
                }
                outputs.append(output)
            }
            batch.commands += submission.inputs.count
            batch.bytes += submission.bytes
            batch.decided.append(.init(submission: submission, outputs: outputs))
        }
        return batch
    }
}
