import Clearing
import Primitives
import Storage
import Synchronization

/// What the sequencer's thread does. The house is a local value of `run`: no other thread can
/// reach it, so nothing uncommitted can be seen.
final class SequencerLoop: Sendable {
    /// How far the thread is: safe to look at from anywhere.
    struct Progress: Sendable {
        var head: JournalHead
        var counters = Sequencer.Counters()
    }

    private struct Finish {
        var done = false
        var failure: JournalError?
        var waiting: [@Sendable (JournalError?) -> Void] = []
    }

    private let journal: any Journal
    private let clock: @Sendable () -> Timestamp
    private let options: Sequencer.Options
    private let queue: SequencerQueue
    private let hub: EventHub
    private let onFailure: @Sendable (JournalError) -> Void
    private let shared: Mutex<Progress>
    /// The batch of the last state hash that was recorded before the start.
    private let checkpointedBefore: UInt64
    private let finish = Mutex(Finish())

    init(
        journal: any Journal, clock: @escaping @Sendable () -> Timestamp,
        options: Sequencer.Options, queue: SequencerQueue, hub: EventHub,
        onFailure: @escaping @Sendable (JournalError) -> Void, head: JournalHead,
        checkpointed: UInt64
    ) {
        self.journal = journal
        self.clock = clock
        self.options = options
        self.queue = queue
        self.hub = hub
        self.onFailure = onFailure
        shared = Mutex(Progress(head: head))
        checkpointedBefore = checkpointed
    }

    var progress: Progress { shared.withLock { $0 } }

    /// Calls `body` once the thread has ended, with the failure that ended it, if any.
    func whenFinished(_ body: @escaping @Sendable (JournalError?) -> Void) {
        let failure = finish.withLock { finish -> JournalError?? in
            if finish.done { return .some(finish.failure) }
            finish.waiting.append(body)
            return nil
        }
        if let failure { body(failure) }
    }

    /// Runs until the queue is stopped and empty, or the journal fails.
    func run(house: consuming ClearingHouse) {
        var latest = max(house.now, progress.head.time)
        var checkpointed = checkpointedBefore
        while let round = queue.take() {
            let head = progress.head
            for read in round.reads { read.body(house, head) }
            if round.submissions.isEmpty { continue }
            var decided = decide(round.submissions, in: &house, latest: &latest)
            do throws(JournalError) {
                try commit(&decided, after: head)
                let sequence = progress.head.sequence
                let due = options.checkpointInterval
                if due > 0, sequence >= checkpointed + due, sequence > head.sequence {
                    try record(house, at: sequence)
                    checkpointed = sequence
                }
            } catch {
                return fail(error, replies: decided.unreleased)
            }
        }
        do throws(JournalError) {
            let sequence = progress.head.sequence
            if sequence > 0, sequence != checkpointed { try record(house, at: sequence) }
            try journal.close()
        } catch {
            return fail(error, replies: [])
        }
        hub.finish(nil)
        end(nil)
    }

    /// A batch that was applied but is not committed yet.
    private struct Decided {
        var entries: [JournalEntry] = []
        var committed: [CommittedBatch.Entry] = []
        var rejected: UInt64 = 0
        var unreleased: [(Submission, [Sequencer.Outcome])] = []
    }

    /// Applies every command at a time of its own, one nanosecond after the other if the clock
    /// does not move or moves back.
    private func decide(
        _ submissions: [Submission], in house: inout ClearingHouse, latest: inout Timestamp
    ) -> Decided {
        var decided = Decided()
        var next = max(clock().nanoseconds, latest.nanoseconds + 1)
        for submission in submissions {
            var outcomes: [Sequencer.Outcome] = []
            outcomes.reserveCapacity(submission.commands.count)
            for prepared in submission.commands {
                guard let bytes = prepared.bytes else {
                    decided.rejected += 1
                    outcomes.append(.failure(.limitExceeded))
                    continue
                }
                let time = Timestamp(nanoseconds: next)
                latest = time
                next += 1
                let outcome = house.apply(prepared.command, at: time)
                outcomes.append(outcome)
                switch outcome {
                case .success(let events):
                    decided.entries.append(JournalEntry(time: time, command: bytes))
                    decided.committed.append(
                        .init(time: time, command: prepared.command, events: events))
                case .failure: decided.rejected += 1
                }
            }
            decided.unreleased.append((submission, outcomes))
        }
        return decided
    }

    /// Makes the batch durable, then publishes it, then releases the replies: who has a reply
    /// finds its events already delivered to every subscriber.
    private func commit(_ decided: inout Decided, after head: JournalHead) throws(JournalError) {
        if !decided.entries.isEmpty {
            let batch = try JournalBatch(
                following: head, term: journal.term, entries: decided.entries)
            try journal.append(batch)
            shared.withLock { progress in
                progress.head = batch.head
                progress.counters.batches += 1
                progress.counters.accepted += UInt64(decided.entries.count)
            }
            hub.publish(CommittedBatch(head: batch.head, entries: decided.committed))
        }
        shared.withLock { $0.counters.rejected += decided.rejected }
        for (submission, outcomes) in decided.unreleased { submission.reply(.success(outcomes)) }
        decided.unreleased = []
    }

    private func record(
        _ house: borrowing ClearingHouse, at sequence: UInt64
    ) throws(JournalError) {
        try journal.record(StateCheckpoint(sequence: sequence, stateHash: house.stateHash))
        shared.withLock { $0.counters.checkpoints += 1 }
    }

    /// The journal failed: nobody gets a success, nothing is served any more. The handler comes
    /// first, so that a process that it ends says nothing more to anyone.
    private func fail(
        _ error: JournalError, replies: [(Submission, [Sequencer.Outcome])]
    ) {
        let left = queue.fail(.journal(error))
        onFailure(error)
        for (submission, _) in replies { submission.reply(.failure(.journal(error))) }
        for work in left { work.fail(.journal(error)) }
        hub.finish(.journal(error))
        try? journal.close()
        end(error)
    }

    private func end(_ failure: JournalError?) {
        let waiting = finish.withLock { finish in
            finish.done = true
            finish.failure = failure
            defer { finish.waiting = [] }
            return finish.waiting
        }
        for body in waiting { body(failure) }
    }
}
