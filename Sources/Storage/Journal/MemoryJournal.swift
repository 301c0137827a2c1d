import Primitives
import Synchronization

/// A journal in memory: for tests, and for simulations that need no disk. It keeps the same rules
/// as one on disk, except that it is gone with the process.
public final class MemoryJournal: Journal {
    private struct State {
        var batches: [JournalBatch] = []
        /// By sequence.
        var checkpoints: [StateCheckpoint] = []
        var term: UInt64 = 1
        /// An empty journal has nothing to verify.
        var recovered = true
        var closed = false
    }

    private let state = Mutex(State())

    /// An empty journal.
    public init() {}

    /// The term of the current opening.
    public var term: UInt64 { state.withLock { $0.term } }

    /// It waits for nobody.
    public var isLocal: Bool { true }

    /// How far the journal goes.
    public var head: JournalHead { state.withLock { $0.batches.last?.head ?? .empty } }

    /// Everything appended so far.
    public var batches: [JournalBatch] { state.withLock { $0.batches } }

    /// Opens the journal again after `close`, with the next term.
    public func reopen() {
        state.withLock {
            $0.closed = false
            $0.recovered = $0.batches.isEmpty
            $0.term = ($0.batches.last?.term ?? 0) + 1
        }
    }

    /// Verifies the chain after `start` and hands every batch over.
    public func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        let (batches, checkpoint) = state.withLock { ($0.batches, $0.checkpoints.last) }
        let end = batches.last?.head ?? .empty
        try verifyChain(after: start, upTo: end, latestCheckpoint: checkpoint, body) {
            last, end, _ in
            // The batch with number n is at place n - 1.
            Array(batches[max(Int(last), 0)..<Int(end)])
        }
        state.withLock { $0.recovered = true }
        return end
    }

    /// Keeps a batch, if it follows the head.
    public func append(_ batch: JournalBatch) throws(JournalError) {
        try state.withLock { (state) throws(JournalError) in
            if state.closed { throw .closed }
            guard state.recovered else { throw .notRecovered }
            try (state.batches.last?.head ?? .empty).check(next: batch)
            state.batches.append(batch)
        }
    }

    /// Reads what was appended.
    public func reader() throws(JournalError) -> any JournalReader { Reader(self) }

    private final class Reader: JournalReader {
        private let journal: MemoryJournal

        init(_ journal: MemoryJournal) {
            self.journal = journal
        }

        func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch] {
            var page: [JournalBatch] = []
            var bytes = 0
            for batch in journal.batches.dropFirst(Int(sequence)).prefix(1_024)
            where bytes < 4 << 20 {
                page.append(batch)
                bytes += batch.body.count
            }
            return page
        }

        func close() {}
    }

    /// The recorded state hashes.
    public func checkpoints() throws(JournalError) -> [StateCheckpoint] {
        state.withLock { $0.checkpoints }
    }

    /// Records a state hash.
    public func record(_ checkpoint: StateCheckpoint) throws(JournalError) {
        try state.withLock { (state) throws(JournalError) in
            if state.closed { throw .closed }
            guard state.recovered else { throw .notRecovered }
            guard checkpoint.sequence <= state.batches.count else {
                throw .misplaced("the checkpoint is beyond the head")
            }
            state.checkpoints.removeAll { $0.sequence == checkpoint.sequence }
            state.checkpoints.append(checkpoint)
            state.checkpoints.sort { $0.sequence < $1.sequence }
        }
    }

    /// Takes nothing more until `reopen`. It can still be read: there is no other way to it.
    public func close() throws(JournalError) {
        state.withLock { $0.closed = true }
    }
}
