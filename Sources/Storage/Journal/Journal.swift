public import Primitives

/// The state hash that a house had right after a batch: what a replay must reach as well.
public struct StateCheckpoint: Hashable, Sendable {
    /// The batch.
    public let sequence: UInt64
    /// SHA-256 of the house's canonical bytes after it.
    public let stateHash: Digest

    /// A checkpoint with both its fields.
    public init(sequence: UInt64, stateHash: Digest) {
        self.sequence = sequence
        self.stateHash = stateHash
    }
}

/// Where batches of commands are kept: append-only, hash-chained, durable before `append` returns.
///
/// The order of use is `recover`, then `append` as often as needed, then `close`. One thread at a
/// time. After any error from `append` or `record` nothing more is accepted: what is on disk is
/// unknown until the journal is opened and recovered again.
public protocol Journal: AnyObject, Sendable {
    /// The term that this opening writes with: one more than the last batch's.
    var term: UInt64 { get }

    /// How far the journal goes.
    var head: JournalHead { get }

    /// Reads every batch in order, verifies the chain and hands each batch over with its commands.
    ///
    /// Throws what `body` throws, `damaged` at the first damaged batch, and `missingBatches` if a
    /// checkpoint lies beyond the end.
    func recover(
        _ body: (JournalBatch, [JournalEntry]) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead

    /// Makes `batch` durable. Throws, and accepts nothing more, if that is not certain.
    func append(_ batch: JournalBatch) throws(JournalError)

    /// The recorded state hashes, by sequence.
    func checkpoints() throws(JournalError) -> [StateCheckpoint]

    /// Records a state hash, at most at the head.
    func record(_ checkpoint: StateCheckpoint) throws(JournalError)

    /// Ends the use of the journal; harmless when repeated.
    func close() throws(JournalError)
}

extension Journal {
    /// Verifies the whole chain and every count; gives the head.
    public func verify() throws(JournalError) -> JournalHead {
        try recover { (_, _) throws(JournalError) in }
    }
}
