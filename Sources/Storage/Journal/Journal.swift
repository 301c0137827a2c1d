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
/// time; a `reader` may be used on another thread meanwhile. After any error from `append` or
/// `record` nothing more is accepted: what is on disk is unknown until the journal is opened and
/// recovered again.
public protocol Journal: AnyObject, Sendable {
    /// The term that this opening writes with: more than the last batch's.
    var term: UInt64 { get }

    /// How far the journal goes. Every batch up to here is durable.
    var head: JournalHead { get }

    /// Whether `append` waits for nothing but this machine's disk, so that a thread with other
    /// duties may call it.
    var isLocal: Bool { get }

    /// Reads every batch after `start` in order, verifies the chain and hands each batch over with
    /// its commands. `start` is `.empty` or the head that a snapshot belongs to; then the batch
    /// with that number must be there and have that hash.
    ///
    /// Throws what `body` throws, `damaged` at the first damaged batch, `missingBatches` if `start`
    /// or a checkpoint lies beyond the end, and `unexpectedHash` if `start` is of another history.
    func recover(
        after start: JournalHead,
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead

    /// Makes `batch` durable; it must follow the head (`JournalHead.check`). Throws, and accepts
    /// nothing more, if that is not certain.
    func append(_ batch: JournalBatch) throws(JournalError)

    /// The recorded state hashes, by sequence.
    func checkpoints() throws(JournalError) -> [StateCheckpoint]

    /// Records a state hash, at most at the head.
    func record(_ checkpoint: StateCheckpoint) throws(JournalError)

    /// Another way into the same journal, to read what is durable while it is written.
    func reader() throws(JournalError) -> any JournalReader

    /// Ends the use of the journal; harmless when repeated.
    func close() throws(JournalError)
}

/// Reads a journal while its writer appends: for snapshots, standbys and read models. For one
/// thread at a time; it need not be the writer's.
public protocol JournalReader: AnyObject, Sendable {
    /// The durable batches that follow number `sequence`, in order, a few megabytes of them at
    /// most; empty if there are none yet. **They are not verified**: show them to a
    /// `ChainVerifier`.
    func batches(after sequence: UInt64) throws(JournalError) -> [JournalBatch]

    /// Ends the use of the reader; harmless when repeated.
    func close()
}

extension Journal {
    /// An answer that is always right: it may wait for others.
    public var isLocal: Bool { false }

    /// Recovers from the first batch on.
    public func recover(
        _ body: (JournalBatch, JournalEntries) throws(JournalError) -> Void
    ) throws(JournalError) -> JournalHead {
        try recover(after: .empty, body)
    }

    /// Verifies the whole chain and every count; gives the head.
    public func verify() throws(JournalError) -> JournalHead {
        try recover { (_, _) throws(JournalError) in }
    }
}
