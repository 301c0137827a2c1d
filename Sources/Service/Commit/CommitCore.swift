import Primitives
import Storage
import Synchronization

/// What the commit pipeline does, without threads: deciding what waits, and committing what was
/// decided. `CommitPipeline` has one thread for each; `SteppedPipeline` lets its caller choose what
/// happens next. Everything that safety rests on is here: what is committed together, when a reply
/// or a read is released, and what a failure does.
final class CommitCore<Machine: JournaledMachine>: Sendable {
    /// What follows from a commit, besides the replies.
    struct Followers: Sendable {
        /// Called for each batch with accepted commands, after its commit, before its replies.
        let committed: @Sendable (JournalHead, OpenBatch<Machine>) -> Void
        /// Called once when the journal has failed, before anyone is told.
        let failed: @Sendable (JournalError) -> Void
        /// Called once at the very end.
        let ended: @Sendable (SequencerError?) -> Void
        /// Called for each state hash that was recorded, after the batch that it is of.
        var recorded: @Sendable (StateCheckpoint) -> Void = { _ in }
    }

    private struct Progress {
        var head: JournalHead
        var counters = CommitCounters()
        var finished = false
        var failure: JournalError?
        var waiting: [@Sendable (JournalError?) -> Void] = []
    }

    let queue: CommitQueue<Machine>
    let buffer: CommitBuffer<Machine>
    private let journal: any Journal
    private let clock: @Sendable () -> Timestamp
    private let options: CommitOptions
    private let followers: Followers
    private let progress: Mutex<Progress>

    /// The core of a pipeline whose machine was recovered from this journal up to `head`.
    init(
        after head: JournalHead, journal: any Journal, clock: @escaping @Sendable () -> Timestamp,
        options: CommitOptions, followers: Followers
    ) {
        self.journal = journal
        self.clock = clock
        self.options = options
        self.followers = followers
        queue = CommitQueue(options: options)
        buffer = CommitBuffer(
            commandLimit: options.commandsPerBatch, byteLimit: options.bytesPerBatch)
        progress = Mutex(Progress(head: head))
    }

    /// The last durable batch.
    var head: JournalHead { progress.withLock { $0.head } }
    /// What has been done so far.
    var counters: CommitCounters { progress.withLock { $0.counters } }

    /// Calls `body` once everything has ended, with the failure that ended it, if any.
    func whenFinished(_ body: @escaping @Sendable (JournalError?) -> Void) {
        let failure = progress.withLock { progress -> JournalError?? in
            if progress.finished { return .some(progress.failure) }
            progress.waiting.append(body)
            return nil
        }
        if let failure { body(failure) }
    }

    // MARK: The executor's part

    /// Decides one round. What is to be committed goes to `add`, in order, which says whether the
    /// journal still works; false if it does not.
    func decide(
        _ round: CommitQueue<Machine>.Round, with decider: inout Decider<Machine>,
        _ add: (OpenBatch<Machine>) -> Bool
    ) -> Bool {
        if !round.reads.isEmpty, !answer(round.reads, decider.executor.machine, add) {
            // They were taken from the queue and are in no batch: nobody else would tell them.
            let error = buffer.failure ?? .stopped
            for submission in round.submissions { submission.reply(.failure(error)) }
            return false
        }
        if round.submissions.isEmpty { return true }
        let batch = decider.executor.execute(round.submissions, now: clock())
        if !batch.entries.isEmpty { decider.isRecorded = false }
        guard add(batch) else { return false }
        let reached = head.sequence
        let interval = options.checkpointInterval
        guard interval > 0, !decider.isRecorded, reached >= decider.checkpointed + interval else {
            return true
        }
        decider.checkpointed = reached
        decider.isRecorded = true
        return add(record(decider.executor.machine.stateHash))
    }

    /// Ends deciding, after everything that waited was decided.
    func finishDeciding(
        _ decider: borrowing Decider<Machine>, _ add: (OpenBatch<Machine>) -> Bool
    ) {
        if options.checkpointsWhenStopping, !decider.isRecorded {
            _ = add(record(decider.executor.machine.stateHash))
        }
    }

    /// Lets reads look at the state; releases them now if all of it is durable, or else with the
    /// batch that makes it so.
    private func answer(
        _ reads: [StateRead<Machine>], _ machine: borrowing Machine,
        _ add: (OpenBatch<Machine>) -> Bool
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
    private func record(_ hash: Digest) -> OpenBatch<Machine> {
        var batch = OpenBatch<Machine>()
        batch.stateHash = hash
        batch.isSealed = true
        return batch
    }

    /// Whether the executor should commit a batch by itself, now: a small one while nothing else is
    /// under way. To wake another thread costs more than deciding meanwhile gains.
    func beginsCommit(of batch: borrowing OpenBatch<Machine>) -> Bool {
        batch.bytes <= options.ownCommitBytes && buffer.beginCommit()
    }

    // MARK: The committer's part

    /// Makes a batch durable, then publishes it, then releases its replies; false after a failure,
    /// when everything has ended.
    func commit(_ batch: OpenBatch<Machine>) -> Bool {
        queue.leave(commands: batch.commands, bytes: batch.bytes, reads: batch.reads.count)
        do throws(JournalError) {
            try append(batch)
        } catch {
            fail(error, batch)
            return false
        }
        batch.release(at: head)
        if let hash = batch.stateHash, head.sequence > 0 {
            let checkpoint = StateCheckpoint(sequence: head.sequence, stateHash: hash)
            do throws(JournalError) {
                try journal.record(checkpoint)
                progress.withLock { $0.counters.checkpoints += 1 }
                followers.recorded(checkpoint)
            } catch {
                fail(error, OpenBatch())
                return false
            }
        }
        buffer.endCommit()
        return true
    }

    /// Closes the journal, after everything was committed.
    func finishCommitting() {
        if buffer.failure != nil { return }
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

/// What only the deciding side of a pipeline has.
struct Decider<Machine: JournaledMachine>: Sendable {
    var executor: Executor<Machine>
    /// The batch of the last state hash that was asked for; 0 for none.
    var checkpointed: UInt64
    /// Whether the state's hash was asked for since its last change.
    var isRecorded: Bool

    init(_ recovered: consuming RecoveredMachine<Machine>) {
        checkpointed = recovered.checkpointed
        isRecorded = recovered.head.sequence == recovered.checkpointed
        executor = Executor(recovered.machine, after: recovered.head)
    }
}
