public import Clearing
import Foundation
public import Primitives
public import Storage
import Synchronization

/// The one writer: gives every command its place and time, decides it, makes it durable, and only
/// then says what came of it.
///
/// One thread takes everything that waits and applies it; another appends what was accepted to the
/// journal as one row with one sync, and only after that releases replies and events
/// (`CommitPipeline`). While the disk syncs, the next batch is decided and gathers, so many small
/// callers share one sync. Reads run on the deciding thread and are released when what they saw is
/// committed.
///
///     let sequencer = try Sequencer(journal: SQLiteJournal(path: path), clock: { .systemNow })
///     switch try await sequencer.submit(.registerParty(address: address)) {
///     case .success(let events): ...     // committed and synced
///     case .failure(let rejection): ...  // nothing changed
///     }
///     try await sequencer.stop()
///
/// If the journal fails, nobody knows what the disk holds: the batch's callers get an error and
/// never a success, nothing is accepted or read any more, and `onFailure` is called, which by
/// default ends the process. The next start recovers what is durable.
public final class Sequencer: Sendable {
    private let hub: EventHub
    private let pipeline: CommitPipeline<ClearingHouse>
    private let snapshotter: Snapshotter<ClearingHouse>?

    /// Recovers the house from the newest snapshot, if there is one, and the journal after it, and
    /// starts. Blocks for as long as that takes. With `snapshots` it goes on to take them.
    ///
    /// Throws whatever keeps the journal from being trusted: damage, a missing end, a command that
    /// is no longer accepted (`doesNotReplay`), another state than was recorded. The journal is
    /// the sequencer's own from here on; `stop` closes it.
    public convenience init(
        journal: any Journal, snapshots: SnapshotOptions? = nil,
        clock: @escaping @Sendable () -> Timestamp, options: CommitOptions = CommitOptions(),
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        self.init(
            try RecoveredMachine<ClearingHouse>(journal, snapshots: snapshots), journal: journal,
            snapshots: snapshots, clock: clock, options: options, onFailure: onFailure)
    }

    /// Goes on where a standby took over: nothing is replayed.
    ///
    /// Throws `closed` if the promotion was used before.
    public convenience init(
        _ promotion: Promotion<ClearingHouse>, snapshots: SnapshotOptions? = nil,
        clock: @escaping @Sendable () -> Timestamp, options: CommitOptions = CommitOptions(),
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        self.init(
            try promotion.recovered(), journal: promotion.journal, snapshots: snapshots,
            clock: clock, options: options, onFailure: onFailure)
    }

    private init(
        _ recovered: consuming RecoveredMachine<ClearingHouse>, journal: any Journal,
        snapshots: SnapshotOptions?, clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions, onFailure: @escaping @Sendable (JournalError) -> Void
    ) {
        let snapshotter = snapshots.map {
            Snapshotter(of: journal, recovered, empty: ClearingHouse(), options: $0)
        }
        self.snapshotter = snapshotter
        let hub = EventHub()
        self.hub = hub
        pipeline = CommitPipeline(
            recovered, journal: journal, clock: clock, options: options,
            followers: .init(
                committed: { head, batch in
                    snapshotter?.committed(head, batch)
                    hub.publish(CommittedBatch(head: head, batch))
                }, failed: onFailure,
                ended: {
                    snapshotter?.stop()
                    hub.finish($0)
                }, recorded: { snapshotter?.recorded($0) }))
    }

    deinit { pipeline.stop() }

    /// Submits one command; returns when it is committed or rejected. Once it waits it is decided,
    /// even if the calling task is cancelled.
    ///
    /// Throws `busy` if too much waits, `tooLarge`, `stopped`, or `journal` if the outcome is
    /// unknown because the journal failed.
    public func submit(_ command: Command) async throws(SequencerError) -> Outcome {
        let outcomes = try await submit(batch: [command])
        guard let outcome = outcomes.first else { throw .stopped }
        return outcome
    }

    /// Submits commands that are decided in this order with no other between them, and committed
    /// together. Each is accepted or rejected by itself: one outcome for each.
    public func submit(batch commands: [Command]) async throws(SequencerError) -> [Outcome] {
        if commands.isEmpty { return [] }
        let encoded = commands.map { $0.journaledBytes() }
        let places = encoded.indices.filter { encoded[$0] != nil }
        var outcomes = [Outcome](repeating: .failure(.limitExceeded), count: commands.count)
        if places.isEmpty { return outcomes }
        let result: Result<[Outcome], SequencerError> = await withCheckedContinuation { waiting in
            let submission = Submission<ClearingHouse>(
                inputs: places.map { commands[$0] }, encoded: encoded.compactMap(\.self)
            ) { waiting.resume(returning: $0) }
            if let refusal = pipeline.push(.submission(submission)) {
                waiting.resume(returning: .failure(refusal))
            }
        }
        for (place, outcome) in zip(places, try result.get()) { outcomes[place] = outcome }
        return outcomes
    }

    /// Shows the state to `body` on the deciding thread and returns what it makes of it, once that
    /// state is committed. Everything else waits meanwhile, so take out what is needed and no more,
    /// and let it out by returning it, in no other way.
    ///
    /// Throws `busy`, `stopped`, or `journal` once the journal has failed.
    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(SequencerError) -> Value {
        try await look(isExact: false, body).value
    }

    /// The head of the journal and the hash of the state that it leads to: what an audit of the
    /// same journal must arrive at. O(state).
    public func stateHash() async throws(SequencerError) -> (head: JournalHead, hash: Digest) {
        let (hash, head) = try await readAtHead { $0.stateHash }
        return (head, hash)
    }

    /// The last committed batch.
    public var head: JournalHead { pipeline.head }

    /// How many commands wait to be decided: a gauge.
    public var waiting: Int { pipeline.waiting }

    /// How many reads wait to be answered: a gauge.
    public var waitingReads: Int { pipeline.waitingReads }

    /// Whether nothing new is taken in, because of `stop` or a failure.
    public var isStopping: Bool { pipeline.isClosed }

    /// What has been done so far.
    public var counters: CommitCounters { pipeline.counters }

    /// Every batch committed from now on, for readers inside this process that are sure to keep
    /// up: nothing is dropped and the buffer has no limit. Ends when the sequencer stops.
    public func subscribe() -> AsyncStream<CommittedBatch> { hub.subscribe() }

    /// Every batch committed from now on, for readers that may be slow: one that falls `buffer`
    /// batches behind is cut off with `SequencerError.tooSlow`, never silently skipped.
    public func subscribe(buffer: Int) -> AsyncThrowingStream<CommittedBatch, any Error> {
        hub.subscribe(buffer: buffer)
    }

    /// Commits what waits, records the state hash, closes the journal. Harmless when repeated.
    ///
    /// Throws `journal` if the journal failed, now or earlier.
    public func stop() async throws(SequencerError) {
        snapshotter?.stop()
        pipeline.stop()
        let failure = await withCheckedContinuation { continuation in
            pipeline.whenFinished { [snapshotter] failure in
                guard let snapshotter else { return continuation.resume(returning: failure) }
                snapshotter.whenStopped { continuation.resume(returning: failure) }
            }
        }
        if let failure { throw .journal(failure) }
    }

    /// Says why on standard error and ends the process at once with exit code 74 (`EX_IOERR`), or
    /// with 75 if another process leads the journal now, so that nobody starts this one again.
    public static let endProcess: @Sendable (JournalError) -> Void = { error in
        let words = "exchequer: the journal failed, so this process ends: \(error)\n"
        FileHandle.standardError.write(Data(words.utf8))
        if case .fenced = error { _exit(75) }
        _exit(74)
    }

    /// Ends the process as `endProcess` does, because another one leads the journal with this term.
    public static let endFencedProcess: @Sendable (UInt64) -> Void = {
        endProcess(.fenced(term: $0))
    }

    /// As `read`, and gives the head of the journal that leads to just the state that was shown.
    func readAtHead<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(SequencerError) -> (value: Value, head: JournalHead) {
        try await look(isExact: true, body)
    }

    private func look<Value: Sendable>(
        isExact: Bool, _ body: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(SequencerError) -> (value: Value, head: JournalHead) {
        let result: Result<(Value, JournalHead), SequencerError> =
            await withCheckedContinuation { waiting in
                let read = StateRead<ClearingHouse>(isExact: isExact) { house in
                    let value = body(house)
                    return { head in waiting.resume(returning: head.map { (value, $0) }) }
                } fail: {
                    waiting.resume(returning: .failure($0))
                }
                if let refusal = pipeline.push(.read(read)) { read.fail(refusal) }
            }
        return try result.get()
    }
}

extension Sequencer {
    /// What came of a command: its events, or why it was refused.
    public typealias Outcome = Result<[Event], Rejection>
}

extension CommittedBatch {
    /// The accepted commands of a batch that is now durable.
    init(head: JournalHead, _ batch: OpenBatch<ClearingHouse>) {
        var entries: [Entry] = []
        entries.reserveCapacity(batch.entries.count)
        for decided in batch.decided {
            for (command, outcome) in zip(decided.submission.inputs, decided.outputs) {
                guard case .success(let events) = outcome else { continue }
                let time = batch.entries[entries.count].time
                entries.append(Entry(time: time, command: command, events: events))
            }
        }
        self.init(head: head, entries: entries)
    }
}
