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
    public mutating func accept(_ batch: JournalBatch) throws(JournalError) -> [JournalEntry] {
        let expected = head.sequence + 1
        guard batch.sequence == expected else { throw .damaged(expected, .gap(batch.sequence)) }
        let hash = JournalBatch.chainHash(
            sequence: batch.sequence, term: batch.term, time: batch.time, count: batch.count,
            previous: batch.previousHash, body: batch.body)
        guard hash == batch.hash else { throw .damaged(expected, .hashMismatch) }
        guard batch.previousHash == head.hash else { throw .damaged(expected, .brokenChain) }
        guard batch.term >= max(head.term, 1) else { throw .damaged(expected, .termWentBack) }
        let entries = try ChainVerifier.entries(of: batch, after: head.time)
        head = batch.head
        commands += UInt64(entries.count)
        return entries
    }

    private static func entries(
        of batch: JournalBatch, after earlier: Timestamp
    ) throws(JournalError) -> [JournalEntry] {
        guard batch.count > 0, batch.count <= JournalLimits.commandsPerBatch,
            batch.body.count <= JournalLimits.bodyBytes
        else { throw .damaged(batch.sequence, .malformedBody) }
        var reader = ByteReader(batch.body)
        var entries: [JournalEntry] = []
        entries.reserveCapacity(Int(batch.count))
        var latest = earlier
        do throws(CodecError) {
            for _ in 0..<batch.count {
                let entry = JournalEntry(
                    time: try reader.read(),
                    command: try reader.readBytes(limit: JournalLimits.commandBytes))
                guard entry.time > latest else { throw .invalidValue("time") }
                latest = entry.time
                entries.append(entry)
            }
            try reader.finish()
        } catch {
            throw .damaged(batch.sequence, .malformedBody)
        }
        guard latest == batch.time else { throw .damaged(batch.sequence, .malformedBody) }
        return entries
    }
}
