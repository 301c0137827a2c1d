import Primitives

/// Walks a journal from its first batch and throws at the first thing that is not as it was
/// written. Any store can be checked with it, and anyone can write another one from the format.
public struct ChainVerifier: Sendable {
    /// The last batch that was accepted.
    public private(set) var head: JournalHead
    /// Commands in all accepted batches.
    public private(set) var commands: UInt64 = 0

    /// Starts after `head`: before the first batch unless given.
    public init(after head: JournalHead = .empty) {
        self.head = head
    }

    /// Checks that `batch` is undamaged and follows the last one; gives its commands.
    ///
    /// Throws `damaged` with the sequence number the batch should have had.
    public mutating func accept(_ batch: JournalBatch) throws(JournalError) -> JournalEntries {
        let expected = head.sequence + 1
        guard batch.sequence == expected else { throw .damaged(expected, .gap(batch.sequence)) }
        guard batch.isHashed else { throw .damaged(expected, .hashMismatch) }
        guard batch.previousHash == head.hash else { throw .damaged(expected, .brokenChain) }
        guard batch.term >= max(head.term, 1) else { throw .damaged(expected, .termWentBack) }
        let entries = try JournalEntries(of: batch, after: head.time)
        head = batch.head
        commands += UInt64(entries.count)
        return entries
    }
}
