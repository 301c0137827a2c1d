import Dispatch
public import Ledger
public import Primitives
public import Storage
import Synchronization

/// A ledger with a journal: commands of many clients in, durable answers out. All requests that
/// wait share one commit (`CommitPipeline`). Nothing here is `async`: replies come as calls on the
/// committer's thread, so that a server can hand a whole commit's replies on at once.
public final class LedgerService: Sendable {
    /// Called once with what came of a command: after it is durable, or with why nobody knows.
    public typealias Reply = @Sendable (Result<LedgerAnswer, SequencerError>) -> Void

    private let pipeline: CommitPipeline<LedgerMachine>

    /// Recovers the ledger from the journal and starts. Blocks for as long as that takes.
    ///
    /// Throws whatever keeps the journal from being trusted. The journal is the service's own from
    /// here on; `stop` closes it.
    public convenience init(
        journal: any Journal, clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions = LedgerService.usualOptions,
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        // Strangers choose ids; a secret seed keeps them from choosing ones that collide.
        let empty = LedgerMachine(tableSeed: .random(in: .min ... .max))
        self.init(
            try RecoveredMachine(journal, empty: empty), journal: journal, clock: clock,
            options: options, onFailure: onFailure)
    }

    /// Goes on where a standby took over: nothing is replayed.
    ///
    /// Throws `closed` if the promotion was used before.
    public convenience init(
        _ promotion: Promotion<LedgerMachine>, clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions = LedgerService.usualOptions,
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        self.init(
            try promotion.recovered(), journal: promotion.journal, clock: clock, options: options,
            onFailure: onFailure)
    }

    private init(
        _ recovered: consuming RecoveredMachine<LedgerMachine>, journal: any Journal,
        clock: @escaping @Sendable () -> Timestamp, options: CommitOptions,
        onFailure: @escaping @Sendable (JournalError) -> Void
    ) {
        let pipeline = CommitPipeline(
            recovered, journal: journal, clock: clock, options: options,
            followers: .init(
                committed: { _, _ in }, failed: onFailure, ended: { _ in }))
        self.pipeline = pipeline
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

    /// Submits a command with its canonical bytes. Says why if it is not taken in, and then `reply`
    /// is never called.
    public func submit(
        _ command: LedgerCommand, encoded: [UInt8], reply: @escaping Reply
    ) -> SequencerError? {
        pipeline.push(
            .submission(
                Submission(inputs: [command], encoded: [encoded]) { result in
                    reply(result.map { $0[0] })
                }))
    }

    /// Shows the ledger to `look` and gives `reply` what it makes of it and the journal's head, once
    /// the state that it saw is durable. Everything else waits meanwhile. Says why if too much
    /// waits, and then calls neither.
    public func read<Value: Sendable>(
        _ look: @escaping @Sendable (borrowing LedgerMachine) -> Value,
        reply: @escaping @Sendable (Result<(Value, JournalHead), SequencerError>) -> Void
    ) -> SequencerError? {
        pipeline.push(
            .read(
                StateRead(isExact: false) { machine in
                    let value = look(machine)
                    return { head in reply(head.map { (value, $0) }) }
                } fail: {
                    reply(.failure($0))
                }))
    }

    /// The last durable batch.
    public var head: JournalHead { pipeline.head }
    /// What has been done so far.
    public var counters: CommitCounters { pipeline.counters }
    /// How many commands wait: a gauge.
    public var waiting: Int { pipeline.waiting }

    /// Commits what waits and closes the journal, then calls `reply` with the failure that ended
    /// the service, if any.
    public func stop(_ reply: @escaping @Sendable (JournalError?) -> Void) {
        pipeline.stop()
        pipeline.whenFinished(reply)
    }

    /// As `stop`, for tasks.
    public func stop() async throws(JournalError) {
        let failure = await withCheckedContinuation { waiting in
            stop { waiting.resume(returning: $0) }
        }
        if let failure { throw failure }
    }

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
