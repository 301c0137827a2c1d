public import Clearing
import Foundation
public import Primitives
public import Storage
import Synchronization

/// The one writer: gives every command its place and time, decides it, makes it durable, and only
/// then says what came of it.
///
/// A thread of its own takes everything that waits as one batch: it applies the commands, appends
/// the accepted ones to the journal as one row with one sync, and only after that releases replies
/// and events. While the disk syncs, the next batch gathers, so many small callers share one sync.
/// Reads run on the same thread between batches and can see nothing that is not committed.
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
    /// The most that may wait and the most that is committed together.
    public struct Options: Sendable {
        /// Commands in one batch.
        public var commandsPerBatch = 8_192
        /// Canonical bytes of commands in one batch.
        public var bytesPerBatch = 8 << 20
        /// Commands that may wait; above it `submit` throws `busy`.
        public var waitingCommands = 65_536
        /// Canonical bytes of commands that may wait; above it `submit` throws `busy`.
        public var waitingBytes = 64 << 20
        /// Reads that may wait; above it `read` throws `busy`.
        public var waitingReads = 65_536
        /// A state hash is recorded after every so many batches; 0 for only when stopping.
        public var checkpointInterval: UInt64 = 4_096

        /// The usual limits.
        public init() {}
    }

    private let queue: SequencerQueue
    private let hub: EventHub
    private let loop: SequencerLoop

    /// Recovers the house from the journal and starts. Blocks for as long as the replay takes.
    ///
    /// Throws whatever keeps the journal from being trusted: damage, a missing end, a command that
    /// is no longer accepted (`doesNotReplay`), another state than was recorded. The journal is
    /// the sequencer's own from here on; `stop` closes it.
    public init(
        journal: any Journal, clock: @escaping @Sendable () -> Timestamp,
        options: Options = Options(),
        onFailure: @escaping @Sendable (JournalError) -> Void = Sequencer.endProcess
    ) throws(JournalError) {
        let recovered = try RecoveredHouse(journal)
        queue = SequencerQueue(options: options)
        hub = EventHub()
        loop = SequencerLoop(
            journal: journal, clock: clock, options: options, queue: queue, hub: hub,
            onFailure: onFailure, head: recovered.head, checkpointed: recovered.checkpointed)
        let thread = Thread { [loop] in
            if let house = recovered.take() { loop.run(house: house) }
        }
        thread.name = "exchequer.sequencer"
        thread.stackSize = 16 << 20
        thread.start()
    }

    deinit { queue.stop() }

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
        let prepared = commands.map(PreparedCommand.init)
        let result = await withCheckedContinuation { continuation in
            let submission = Submission(commands: prepared) { continuation.resume(returning: $0) }
            if let refusal = queue.push(.submission(submission)) {
                continuation.resume(returning: .failure(refusal))
            }
        }
        return try result.get()
    }

    /// Shows the committed state to `body` on the sequencer's thread and returns what it makes of
    /// it. Everything else waits meanwhile, so take out what is needed and no more.
    ///
    /// Throws `busy`, `stopped`, or `journal` once the journal has failed.
    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing ClearingHouse) -> Value
    ) async throws(SequencerError) -> Value {
        try await readAtHead { (house, _) in body(house) }
    }

    /// The head of the journal and the hash of the state that it leads to: what an audit of the
    /// same journal must arrive at. O(state).
    public func stateHash() async throws(SequencerError) -> (head: JournalHead, hash: Digest) {
        try await readAtHead { (house, head) in (head, house.stateHash) }
    }

    /// The last committed batch.
    public var head: JournalHead { loop.progress.head }

    /// How many commands wait to be decided: a gauge.
    public var waiting: Int { queue.waiting }

    /// How many reads wait to be answered: a gauge.
    public var waitingReads: Int { queue.waitingReads }

    /// Whether nothing new is taken in, because of `stop` or a failure.
    public var isStopping: Bool { queue.isClosed }

    /// What has been done so far.
    public var counters: Counters { loop.progress.counters }

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
        queue.stop()
        let failure = await withCheckedContinuation { continuation in
            loop.whenFinished { continuation.resume(returning: $0) }
        }
        if let failure { throw .journal(failure) }
    }

    /// Says why on standard error and ends the process at once with exit code 74 (`EX_IOERR`).
    public static let endProcess: @Sendable (JournalError) -> Void = { error in
        let words = "exchequer: the journal failed, so the house stops: \(error)\n"
        FileHandle.standardError.write(Data(words.utf8))
        _exit(74)
    }

    /// As `read`, and shows the head of the journal that the state is of.
    func readAtHead<Value: Sendable>(
        _ body: @escaping @Sendable (borrowing ClearingHouse, JournalHead) -> Value
    ) async throws(SequencerError) -> Value {
        let result: Result<Value, SequencerError> = await withCheckedContinuation { continuation in
            let read = StateRead { house, head in
                continuation.resume(returning: .success(body(house, head)))
            } fail: {
                continuation.resume(returning: .failure($0))
            }
            if let refusal = queue.push(.read(read)) { read.fail(refusal) }
        }
        return try result.get()
    }
}

extension Sequencer {
    /// What came of a command: its events, or why it was refused.
    public typealias Outcome = Result<[Event], Rejection>

    /// How much a sequencer has done since it started.
    public struct Counters: Hashable, Sendable {
        /// Batches committed: each one row and one sync.
        public internal(set) var batches: UInt64 = 0
        /// Commands accepted and committed.
        public internal(set) var accepted: UInt64 = 0
        /// Commands rejected.
        public internal(set) var rejected: UInt64 = 0
        /// State hashes recorded.
        public internal(set) var checkpoints: UInt64 = 0
    }
}

/// A house that was replayed from its journal, to be taken over once: the thread that takes it is
/// its only owner, so that its arrays change in place.
private final class RecoveredHouse: Sendable {
    let head: JournalHead
    /// The batch of the last recorded state hash, which was compared on the way.
    let checkpointed: UInt64
    private let house: Mutex<ClearingHouse?>

    init(_ journal: any Journal) throws(JournalError) {
        let checkpoint = try journal.checkpoints().last
        var replay = HouseReplay(checkpoints: checkpoint.map { [$0] } ?? [])
        head = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries)
        }
        checkpointed = checkpoint?.sequence ?? 0
        house = Mutex(replay.house)
    }

    func take() -> ClearingHouse? {
        house.withLock { house in
            defer { house = nil }
            return house
        }
    }
}
