import Primitives
import Synchronization

/// A journal in memory: for tests, and for simulations that need no disk. It keeps the same rules
/// as one on disk, except that it is gone with the process.
public final class MemoryJournal: Journal {
    private struct State {
        var batches: [JournalBatch] = []
        var checkpoints: [StateCheckpoint] = []
        var term: UInt64 = 1
        var closed = false
    }

    private let state = Mutex(State())

    /// An empty journal.
    public init() {}

    /// The term of the current opening.
    public var term: UInt64 { state.withLock { $0.term } }

    /// How far the journal goes.
    public var head: JournalHead { state.withLock { $0.batches.last?.head ?? .empty } }

    /// Everything appended so far.
    public var batches: [JournalBatch] { state.withLock { $0.batches } }

    /// Opens the journal again after `close`, with the next term.
    public func reopen() {
        state.withLock {
            $0.closed = false
            $0.term = ($0.batches.last?.term ?? 0) + 1
        }
    }

    /// Verifies the chain after `start` and hands every batch over.
    public func recover(
        after start: JournalHead,
        _ body: (JournalBatch, [JournalEntry]) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        let batches = batches
        guard start.sequence <= batches.count else {
            throw .missingBatches(head: UInt64(batches.count), checkpoint: start.sequence)
        }
        if start != .empty, batches[Int(start.sequence) - 1].hash != start.hash {
            throw .unexpectedHash(start.point, found: batches[Int(start.sequence) - 1].hash)
        }
        var verifier = ChainVerifier(after: start)
        for batch in batches.dropFirst(Int(start.sequence)) {
            try body(batch, try verifier.accept(batch))
        }
        return verifier.head
    }

    /// Keeps a batch, if it follows the head.
    public func append(_ batch: JournalBatch) throws(JournalError) {
        try state.withLock { (state) throws(JournalError) in
            if state.closed { throw .closed }
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
            Array(journal.batches.dropFirst(Int(sequence)).prefix(64))
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
            state.checkpoints.removeAll { $0.sequence == checkpoint.sequence }
            state.checkpoints.append(checkpoint)
        }
    }

    /// Refuses everything until `reopen`.
    public func close() throws(JournalError) {
        state.withLock { $0.closed = true }
    }
}
