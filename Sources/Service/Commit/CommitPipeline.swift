import Foundation
import Primitives
import Storage
import Synchronization

/// The most that may wait and the most that is committed together.
public struct CommitOptions: Sendable {
    /// Commands in one batch.
    public var commandsPerBatch = 8_192
    /// Canonical bytes of commands in one batch.
    public var bytesPerBatch = 8 << 20
    /// Commands that may wait; above it a submission is refused with `busy`.
    public var waitingCommands = 65_536
    /// Canonical bytes of commands that may wait; above it a submission is refused with `busy`.
    public var waitingBytes = 64 << 20
    /// Reads that may wait; above it a read is refused with `busy`.
    public var waitingReads = 65_536
    /// A state hash is recorded after every so many batches; 0 for only when stopping.
    public var checkpointInterval: UInt64 = 4_096
    /// A batch up to this size, when nothing else is under way, is committed by the thread that
    /// decided it: to wake another costs more than deciding meanwhile gains.
    public var ownCommitBytes = 64 << 10
    /// Whether a state hash is recorded when stopping. It costs one pass over the whole state.
    public var checkpointsWhenStopping = true

    /// The usual limits.
    public init() {}
}

/// How much has been done since the start.
public struct CommitCounters: Hashable, Sendable {
    /// Batches committed: each one row and one sync.
    public internal(set) var batches: UInt64 = 0
    /// Commands accepted and committed.
    public internal(set) var accepted: UInt64 = 0
    /// Commands rejected.
    public internal(set) var rejected: UInt64 = 0
    /// State hashes recorded.
    public internal(set) var checkpoints: UInt64 = 0
}

/// The one writer of a journaled machine, as two threads (LMAX's arrangement, with one buffer for a
/// ring): the **executor** takes everything that waits, gives it times and decides it; the
/// **committer** makes all that was decided meanwhile durable with one append, then publishes it,
/// then releases the replies. So the next batch is decided while the last one goes to disk, and
/// however many callers wait, they share one sync. What each of them does is in `CommitCore`.
///
/// Nothing uncommitted is visible: the machine is a local value of the executor's thread, a reply
/// is released when its command is durable, and a read when the state that it saw is.
///
/// After an error of the journal nobody gets a success, nothing is decided or read any more.
final class CommitPipeline<Machine: JournaledMachine>: Sendable {
    typealias Followers = CommitCore<Machine>.Followers

    private let core: CommitCore<Machine>
    /// Held by whoever decides: nearly always the executor's thread.
    private let decider: Mutex<Decider<Machine>>

    /// Starts both threads with a machine that was recovered from this journal.
    init(
        _ recovered: consuming RecoveredMachine<Machine>, journal: any Journal,
        clock: @escaping @Sendable () -> Timestamp, options: CommitOptions, followers: Followers
    ) {
        core = CommitCore(
            after: recovered.head, journal: journal, clock: clock, options: options,
            followers: followers)
        decider = Mutex(Decider(recovered))
        start("exchequer.executor", stack: 16 << 20) { [self] in decide() }
        start("exchequer.committer", stack: 4 << 20) { [self] in commit() }
    }

    private func start(_ name: String, stack: Int, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.stackSize = stack
        thread.start()
    }

    /// Takes work in; says why if it does not, and then calls nobody.
    func push(_ work: Work<Machine>) -> SequencerError? { core.queue.push(work) }

    /// Takes much work in at once, in order; who is not taken in is told why.
    func push(_ works: [Work<Machine>]) {
        for (work, refusal) in core.queue.push(works) { work.fail(refusal) }
    }

    /// As `push`, but the calling thread decides and commits one round by itself if nobody else
    /// does so now: then no other thread is woken, and what was in the round has its reply when
    /// this returns. It blocks for as long as a commit takes.
    func pushAndCommit(_ works: [Work<Machine>]) {
        for (work, refusal) in core.queue.push(works, wakes: false) { work.fail(refusal) }
        decider.withLockIfAvailable { decider in
            guard core.buffer.isIdle, let round = core.queue.takeNow() else { return }
            _ = core.decide(round, with: &decider, add)
        }
        core.queue.wakeForRest()
    }

    /// The last durable batch.
    var head: JournalHead { core.head }
    /// What has been done so far.
    var counters: CommitCounters { core.counters }
    /// How many commands wait to be written.
    var waiting: Int { core.queue.waiting }
    /// How many reads wait to be answered.
    var waitingReads: Int { core.queue.waitingReads }
    /// Whether nothing new is taken in.
    var isClosed: Bool { core.queue.isClosed }

    /// Takes nothing in any more; what waits is still done.
    func stop() { core.queue.stop() }

    /// Calls `body` once both threads have ended, with the failure that ended them, if any.
    func whenFinished(_ body: @escaping @Sendable (JournalError?) -> Void) {
        core.whenFinished(body)
    }

    /// The executor's thread.
    private func decide() {
        while core.queue.waitForWork() {
            let goesOn = decider.withLock { decider in
                guard let round = core.queue.takeNow() else { return true }
                return core.decide(round, with: &decider, add)
            }
            guard goesOn else { return }
        }
        if core.buffer.failure != nil { return }
        decider.withLock { core.finishDeciding($0, add) }
        core.buffer.finish()
    }

    /// Commits a small batch at once if nothing else is under way, or hands it to the committer;
    /// false if the journal has failed.
    private func add(_ batch: OpenBatch<Machine>) -> Bool {
        if core.beginsCommit(of: batch) { return core.commit(batch) }
        guard let (rest, error) = core.buffer.add(batch) else { return true }
        rest.fail(error)
        return false
    }

    /// The committer's thread.
    private func commit() {
        while let batch = core.buffer.take() {
            guard core.commit(batch) else { return }
        }
        core.finishCommitting()
    }
}

/// A machine that was rebuilt from its journal.
struct RecoveredMachine<Machine: JournaledMachine>: Sendable {
    let head: JournalHead
    /// The batch of the last state hash that was compared on the way; 0 for none.
    let checkpointed: UInt64
    let machine: Machine

    /// The last state hash that was recorded before, if any.
    let checkpoint: StateCheckpoint?
    /// Events that were replayed after the last snapshot.
    let replayed: UInt64

    /// A machine that was replayed before.
    init(head: JournalHead, checkpointed: UInt64, machine: Machine) {
        self.head = head
        self.checkpointed = checkpointed
        self.machine = machine
        checkpoint = nil
        replayed = 0
    }

    /// Rebuilds the machine from the newest valid snapshot and the journal after it. Blocks as long
    /// as that takes. `readsAhead` is whether on two threads.
    init(
        _ journal: any Journal, empty: Machine = Machine(), snapshots: SnapshotOptions? = nil,
        readsAhead: Bool = true
    ) throws(JournalError) {
        let recovery = try Recovery(
            of: journal, empty: empty, snapshots: snapshots?.store, readsAhead: readsAhead,
            notice: { snapshots?.notice($0) })
        head = recovery.head
        checkpoint = recovery.checkpoint
        checkpointed = recovery.checkpoint?.sequence ?? 0
        replayed = recovery.replayed
        machine = recovery.machine
    }
}
