import Dispatch
public import Ledger
public import Primitives
public import Storage
import Synchronization

/// A ledger with a journal: commands of many clients in, durable answers out. All requests that
/// wait share one commit (`CommitPipeline`). Nothing here is `async`: replies come as calls on the
/// thread that committed, so that a server can hand a whole commit's replies on at once.
public final class LedgerService: Sendable {
    private let pipeline: CommitPipeline<LedgerMachine>
    private let snapshotter: Snapshotter<LedgerMachine>?
    private let isLocal: Bool

    /// Recovers the ledger from the newest snapshot, if there is one, and the journal after it, and
    /// starts. Blocks for as long as that takes. With `snapshots` it goes on to take them.
    ///
    /// Throws whatever keeps the journal from being trusted. The journal is the service's own from
    /// here on; `stop` closes it.
    public convenience init(
        journal: any Journal, snapshots: SnapshotOptions? = nil,
        clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions = LedgerService.usualOptions,
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        let empty = LedgerService.empty
        self.init(
            try RecoveredMachine(journal, empty: empty, snapshots: snapshots), journal: journal,
            snapshots: snapshots, clock: clock, options: options, onFailure: onFailure)
    }

    /// Goes on where a standby took over: nothing is replayed.
    ///
    /// Throws `closed` if the promotion was used before.
    public convenience init(
        _ promotion: Promotion<LedgerMachine>, snapshots: SnapshotOptions? = nil,
        clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions = LedgerService.usualOptions,
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        self.init(
            try promotion.recovered(), journal: promotion.journal, snapshots: snapshots,
            clock: clock, options: options, onFailure: onFailure)
    }

    private init(
        _ recovered: consuming RecoveredMachine<LedgerMachine>, journal: any Journal,
        snapshots: SnapshotOptions?, clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions, onFailure: @escaping @Sendable (JournalError) -> Void
    ) {
        let snapshotter = snapshots.map {
            Snapshotter(of: journal, recovered, empty: LedgerService.empty, options: $0)
        }
        let pipeline = CommitPipeline(
            recovered, journal: journal, clock: clock, options: options,
            followers: .init(
                committed: { snapshotter?.committed($0, $1) }, failed: onFailure,
                ended: { _ in snapshotter?.stop() }, recorded: { snapshotter?.recorded($0) }))
        self.pipeline = pipeline
        self.snapshotter = snapshotter
        isLocal = journal.isLocal
        LedgerService.keepPulse(pipeline, clock)
    }

    deinit { pipeline.stop() }

    /// The usual limits of a ledger: requests of up to a mebibyte, so more bytes may wait.
    public static var usualOptions: CommitOptions {
        var options = CommitOptions()
        options.waitingBytes = 256 << 20
        options.checkpointInterval = 0
        options.checkpointsWhenStopping = false
        return options
    }

    /// Takes all that is in `batch`, in order, in one step. Who is not taken in gets the reason as
    /// the reply, on this thread.
    public func submit(_ batch: LedgerBatch) { pipeline.push(batch.works) }

    /// As `submit`, but if nothing else is under way and the journal waits for nothing but this
    /// machine's disk, this thread decides and commits by itself: then everyone has the reply when
    /// this returns, and no other thread was woken. Blocks for as long as a commit takes.
    public func commit(_ batch: LedgerBatch) {
        if isLocal { pipeline.pushAndCommit(batch.works) } else { submit(batch) }
    }

    /// The last durable batch.
    public var head: JournalHead { pipeline.head }
    /// What has been done so far.
    public var counters: CommitCounters { pipeline.counters }
    /// How many commands wait: a gauge.
    public var waiting: Int { pipeline.waiting }
    /// Whether nothing is taken in any more: after `stop`, or a failure.
    public var isClosed: Bool { pipeline.isClosed }

    /// Commits what waits and closes the journal, then calls `reply` with the failure that ended
    /// the service, if any.
    public func stop(_ reply: @escaping @Sendable (JournalError?) -> Void) {
        snapshotter?.stop()
        pipeline.stop()
        pipeline.whenFinished { [snapshotter] failure in
            guard let snapshotter else { return reply(failure) }
            snapshotter.whenStopped { reply(failure) }
        }
    }

    /// As `stop`, for tasks.
    public func stop() async throws(JournalError) {
        let failure = await withCheckedContinuation { waiting in
            stop { waiting.resume(returning: $0) }
        }
        if let failure { throw failure }
    }

    /// Empty books. Strangers choose ids; a secret seed keeps them from choosing ones that collide.
    public static var empty: LedgerMachine { LedgerMachine(tableSeed: .random(in: .min ... .max)) }

    /// Four times a second until the service stops.
    private static func keepPulse(
        _ pipeline: CommitPipeline<LedgerMachine>, _ clock: @escaping @Sendable () -> Timestamp
    ) {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(250)) {
            if pipeline.isClosed { return }
            pulse(pipeline, at: clock())
            keepPulse(pipeline, clock)
        }
    }

    /// Releases what is due, if nobody else causes it: a journaled command like any other.
    private static func pulse(_ pipeline: CommitPipeline<LedgerMachine>, at time: Timestamp) {
        _ = pipeline.push(
            .read(
                StateRead(isExact: false) { machine in
                    if machine.isPulseDue(at: time) {
                        _ = pipeline.push(
                            .submission(
                                Submission(
                                    inputs: [.pulse],
                                    encoded: [LedgerCommand.pulse.canonicalBytes()]
                                ) { _ in }))
                    }
                    return { _ in }
                } fail: { _ in
                }))
    }
}

/// Commands and reads that came in together: handed over in one step, they wake the ledger once.
public struct LedgerBatch: Sendable {
    private(set) var works: [Work<LedgerMachine>] = []
    /// Whether there are reads in it.
    public private(set) var hasReads = false

    /// An empty batch.
    public init() {}

    /// Whether there is nothing in it.
    public var isEmpty: Bool { works.isEmpty }
    /// How many commands and reads are in it.
    public var count: Int { works.count }

    /// Adds a command with its canonical bytes. `reply` is called once with what came of it: after
    /// it is durable, or with why it was not done or nobody knows.
    public mutating func submit(
        _ command: LedgerCommand, encoded: [UInt8],
        reply: @escaping @Sendable (Result<LedgerAnswer, SequencerError>) -> Void
    ) {
        works.append(
            .submission(
                Submission(inputs: [command], encoded: [encoded]) { result in
                    reply(result.map { $0[0] })
                }))
    }

    /// Adds a look at the ledger. `reply` is called once with what `look` makes of it and the
    /// journal's head, once the state that it saw is durable. Everything else waits meanwhile.
    public mutating func read<Value: Sendable>(
        _ look: @escaping @Sendable (borrowing LedgerMachine) -> Value,
        reply: @escaping @Sendable (Result<(Value, JournalHead), SequencerError>) -> Void
    ) {
        hasReads = true
        works.append(
            .read(
                StateRead(isExact: false) { machine in
                    let value = look(machine)
                    return { head in reply(head.map { (value, $0) }) }
                } fail: {
                    reply(.failure($0))
                }))
    }
}
