import Dispatch
import Primitives
public import Storage
import Synchronization

/// A journal with a copy on another machine: what `Standby` is at the other end of.
///
/// With `sync`, `append` sends the batch, makes it durable here meanwhile, and returns when the
/// standby has said that it is durable there. With `async` it is sent after it is durable here,
/// and nobody waits. What each promises is in docs/operating/standby.md.
///
/// `recover` connects first: if the standby holds more than this journal (a leader that lost its
/// power after sending), that is fetched, and the term is one that the standby never granted
/// before. With `sync` it returns when the standby holds everything.
public final class ReplicatedJournal: Journal {
    private let local: any Journal
    private let options: ReplicationOptions
    private let replicator: Replicator
    /// How far the journal goes for everyone else, once it was recovered.
    private let published = Mutex<JournalHead?>(nil)

    /// Wraps a journal that was opened for writing. Nothing is connected before `recover`.
    public init(_ local: any Journal, options: ReplicationOptions) throws(JournalError) {
        self.local = local
        self.options = options
        replicator = Replicator(options, reader: try local.reader(), term: local.term)
    }

    deinit { replicator.stop() }

    /// The term that the standby granted; before that, the journal's own.
    public var term: UInt64 { replicator.term }

    /// How far the journal goes. With `sync`, every batch up to here is durable on both machines.
    public var head: JournalHead { published.withLock { $0 } ?? local.head }

    /// How far the standby has said that it is; `nil` while there is none.
    public var standbySequence: UInt64? { replicator.standbySequence }

    /// Recovers the journal here, then meets the standby.
    ///
    /// Throws, beside what the journal itself does, `fenced` if the standby took over, and
    /// `standby` if it holds another history or, with `sync`, does not come within the timeout.
    public func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        var end = try local.recover(after: start, body)
        if published.withLock({ $0 != nil }) { return end }
        let meeting = try replicator.meet()
        if let meeting, meeting.head.sequence > end.sequence {
            var verifier = ChainVerifier(after: end)
            try replicator.fetch(meeting, after: end.sequence) { (batch) throws(JournalError) in
                let entries: JournalEntries
                do throws(JournalError) {
                    entries = try verifier.accept(batch)
                } catch {
                    throw .standby("it holds another history than this journal: \(error)")
                }
                try local.append(batch)
                try body(batch, entries)
            }
            end = verifier.head
        }
        replicator.start(meeting, after: end)
        if options.acknowledgement == .sync { try replicator.wait(for: end.sequence) }
        published.withLock { $0 = end }
        return end
    }

    /// Makes a batch durable: here, and with `sync` on the standby. Whatever fails is final.
    public func append(_ batch: JournalBatch) throws(JournalError) {
        guard published.withLock({ $0 != nil }) else { throw .notRecovered }
        try replicator.check()
        try local.head.check(next: batch)
        do throws(JournalError) {
            switch options.acknowledgement {
            case .sync:
                replicator.offer(batch)
                try local.append(batch)
                try replicator.wait(for: batch.sequence)
            case .async:
                try local.append(batch)
                replicator.offer(batch)
            }
        } catch {
            replicator.fail(error)
            throw error
        }
        published.withLock { $0 = batch.head }
    }

    /// The state hashes that were recorded here.
    public func checkpoints() throws(JournalError) -> [StateCheckpoint] {
        try local.checkpoints()
    }

    /// Records a state hash here; a standby records its own once it leads.
    public func record(_ checkpoint: StateCheckpoint) throws(JournalError) {
        guard published.withLock({ $0 != nil }) else { throw .notRecovered }
        try replicator.check()
        guard checkpoint.sequence <= head.sequence else {
            throw .misplaced("the checkpoint is beyond the head")
        }
        do throws(JournalError) {
            try local.record(checkpoint)
        } catch {
            replicator.fail(error)
            throw error
        }
    }

    /// Reads what `head` covers: with `sync`, nothing that was not acknowledged.
    public func reader() throws(JournalError) -> any JournalReader {
        Reader(self, try local.reader())
    }

    private final class Reader: JournalReader {
        private let journal: ReplicatedJournal
        private let local: any JournalReader

        init(_ journal: ReplicatedJournal, _ local: any JournalReader) {
            self.journal = journal
            self.local = local
        }

        func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch] {
            let end = journal.head.sequence
            return try local.batches(after: sequence).filter { $0.sequence <= end }
        }

        func close() { local.close() }
    }

    /// Tells the standby that this is an orderly stop, and closes.
    public func close() throws(JournalError) {
        replicator.stop()
        try local.close()
    }
}
