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
/// however many callers wait, they share one sync.
///
/// Nothing uncommitted is visible: the machine is a local value of the executor's thread, a reply
/// is released when its command is durable, and a read when the state that it saw is.
///
/// After an error of the journal nobody gets a success, nothing is decided or read any more.
final class CommitPipeline<Machine: JournaledMachine>: Sendable {
    /// What follows from a commit, besides the replies.
    struct Followers: Sendable {
        /// Called for each batch with accepted commands, after its commit, before its replies.
        let committed: @Sendable (JournalHead, OpenBatch<Machine>) -> Void
        /// Called once when the journal has failed, before anyone is told.
        let failed: @Sendable (JournalError) -> Void
        /// Called once at the very end.
        let ended: @Sendable (SequencerError?) -> Void
    }

    private struct Progress {
        var head: JournalHead
        var counters = CommitCounters()
        var finished = false
        var failure: JournalError?
        var waiting: [@Sendable (JournalError?) -> Void] = []
    }

    private let journal: any Journal
    private let clock: @Sendable () -> Timestamp
    private let options: CommitOptions
    private let followers: Followers
    private let queue: CommitQueue<Machine>
    private let buffer: CommitBuffer<Machine>
    private let progress: Mutex<Progress>

    /// Starts both threads with a machine that was recovered from this journal.
    init(
        _ recovered: consuming RecoveredMachine<Machine>, journal: any Journal,
        clock: @escaping @Sendable () -> Timestamp, options: CommitOptions, followers: Followers
    ) {
        self.journal = journal
        self.clock = clock
        self.options = options
        self.followers = followers
        queue = CommitQueue(options: options)
        buffer = CommitBuffer(
            commandLimit: options.commandsPerBatch, byteLimit: options.bytesPerBatch)
        let head = recovered.head
        progress = Mutex(Progress(head: head))
        let checkpointed = recovered.checkpointed
        let machine = Mutex<Machine?>(recovered.machine)
        start("exchequer.executor", stack: 16 << 20) { [self] in
            // Taken, so that this thread is its only owner and its arrays change in place.
            let taken = machine.withLock { machine in
                defer { machine = nil }
                return machine
            }
            if let taken { execute(Executor(taken, after: head), checkpointed: checkpointed) }
        }
        start("exchequer.committer", stack: 4 << 20) { [self] in commit() }
    }

    private func start(_ name: String, stack: Int, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.stackSize = stack
        thread.start()
    }

    // MARK: For everyone

    /// Takes work in; says why if it does not, and then calls nobody.
    func push(_ work: Work<Machine>) -> SequencerError? { queue.push(work) }

    /// The last durable batch.
    var head: JournalHead { progress.withLock { $0.head } }
    /// What has been done so far.
    var counters: CommitCounters { progress.withLock { $0.counters } }
    /// How many commands wait to be written.
    var waiting: Int { queue.waiting }
    /// How many reads wait to be answered.
    var waitingReads: Int { queue.waitingReads }
    /// Whether nothing new is taken in.
    var isClosed: Bool { queue.isClosed }

    /// Takes nothing in any more; what waits is still done.
    func stop() { queue.stop() }

    /// Calls `body` once both threads have ended, with the failure that ended them, if any.
    func whenFinished(_ body: @escaping @Sendable (JournalError?) -> Void) {
        let failure = progress.withLock { progress -> JournalError?? in
            if progress.finished { return .some(progress.failure) }
            progress.waiting.append(body)
            return nil
        }
        if let failure { body(failure) }
    }

    // MARK: The executor's thread

    private func execute(_ first: consuming Executor<Machine>, checkpointed: UInt64) {
        var executor = first
        var last = checkpointed
        var isRecorded = head.sequence == checkpointed
        while let round = queue.take() {
            if !round.reads.isEmpty, !answer(round.reads, executor.machine) { return }
            if round.submissions.isEmpty { continue }
            let batch = executor.execute(round.submissions, now: clock())
            if !batch.entries.isEmpty { isRecorded = false }
            guard add(batch) else { return }
            let reached = head.sequence
            let interval = options.checkpointInterval
            if interval > 0, !isRecorded, reached >= last + interval {
                guard record(executor.machine.stateHash) else { return }
                last = reached
                isRecorded = true
            }
        }
        if options.checkpointsWhenStopping, !isRecorded {
            _ = record(executor.machine.stateHash)
        }
        buffer.finish()
    }

    /// Lets reads look at the state; releases them now if all of it is durable, or else with the
    /// batch that makes it so.
    private func answer(
        _ reads: [StateRead<Machine>], _ machine: borrowing Machine
    ) -> Bool {
        var batch = OpenBatch<Machine>()
        for read in reads {
            batch.reads.append(read.look(machine))
            if read.isExact { batch.isSealed = true }
        }
        if !buffer.isIdle { return add(batch) }
        queue.leave(commands: 0, bytes: 0, reads: reads.count)
        batch.release(at: head)
        return true
    }

    /// Has a hash of the state recorded for the batch that ends here.
    private func record(_ hash: Digest) -> Bool {
        var batch = OpenBatch<Machine>()
        batch.stateHash = hash
        batch.isSealed = true
        return add(batch)
    }

    /// Hands a batch to the committer; false if the journal has failed.
    private func add(_ batch: OpenBatch<Machine>) -> Bool {
        guard let (rest, error) = buffer.add(batch) else { return true }
        rest.fail(error)
        return false
    }

    // MARK: The committer's thread

    private func commit() {
        while let batch = buffer.take() {
            queue.leave(
                commands: batch.commands, bytes: batch.bytes, reads: batch.reads.count)
            do throws(JournalError) {
                try append(batch)
            } catch {
                return fail(error, batch)
            }
            batch.release(at: head)
            guard let hash = batch.stateHash, head.sequence > 0 else { continue }
            do throws(JournalError) {
                try journal.record(StateCheckpoint(sequence: head.sequence, stateHash: hash))
                progress.withLock { $0.counters.checkpoints += 1 }
            } catch {
                return fail(error, OpenBatch())
            }
        }
        do throws(JournalError) {
            try journal.close()
            end(nil)
        } catch {
            fail(error, OpenBatch())
        }
    }

    private func append(_ batch: borrowing OpenBatch<Machine>) throws(JournalError) {
        if !batch.entries.isEmpty {
            let row = try JournalBatch(
                following: head, term: journal.term, entries: batch.entries)
            try journal.append(row)
            progress.withLock { progress in
                progress.head = row.head
                progress.counters.batches += 1
                progress.counters.accepted += UInt64(batch.entries.count)
            }
            followers.committed(row.head, batch)
        }
        if batch.rejected > 0 {
            progress.withLock { $0.counters.rejected += batch.rejected }
        }
    }

    /// The handler comes first, so that a process that it ends says nothing more to anyone.
    private func fail(_ error: JournalError, _ batch: OpenBatch<Machine>) {
        let waiting = queue.fail(.journal(error))
        followers.failed(error)
        batch.fail(.journal(error))
        buffer.fail(.journal(error)).fail(.journal(error))
        for work in waiting { work.fail(.journal(error)) }
        try? journal.close()
        end(error)
    }

    private func end(_ failure: JournalError?) {
        followers.ended(failure.map { .journal($0) })
        let waiting = progress.withLock { progress in
            progress.finished = true
            progress.failure = failure
            defer { progress.waiting = [] }
            return progress.waiting
        }
        for body in waiting { body(failure) }
    }
}

/// A machine that was rebuilt from its journal.
struct RecoveredMachine<Machine: JournaledMachine>: Sendable {
    let head: JournalHead
    /// The batch of the last state hash that was compared on the way; 0 for none.
    let checkpointed: UInt64
    let machine: Machine

    /// A machine that was replayed before.
    init(head: JournalHead, checkpointed: UInt64, machine: Machine) {
        self.head = head
        self.checkpointed = checkpointed
        self.machine = machine
    }

    /// Replays everything. Blocks as long as that takes.
    init(_ journal: any Journal, empty: Machine = Machine()) throws(JournalError) {
        let checkpoint = try journal.checkpoints().last
        var replay = Replay(empty, checkpoints: checkpoint.map { [$0] } ?? [])
        head = try journal.recover { (batch, entries) throws(JournalError) in
            try replay.apply(batch, entries)
        }
        checkpointed = checkpoint?.sequence ?? 0
        machine = replay.machine
    }
}
