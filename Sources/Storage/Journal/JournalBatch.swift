import Cryptography
public import Primitives

/// One accepted command in the journal: its canonical bytes and the time it was given.
public struct JournalEntry: Hashable, Sendable {
    /// When the command happened: the time it was applied at.
    public let time: Timestamp
    /// The command's canonical bytes. The journal never looks inside.
    public let command: [UInt8]

    /// An entry with both its fields.
    public init(time: Timestamp, command: [UInt8]) {
        self.time = time
        self.command = command
    }
}

/// The most that one batch may hold. A stored batch over a limit counts as damaged.
public enum JournalLimits {
    /// Bytes in one command.
    public static let commandBytes = 1 << 20
    /// Commands in one batch.
    public static let commandsPerBatch = 65_536
    /// Bytes in one body.
    public static let bodyBytes = 32 << 20
    /// Bytes that an entry takes in a body beside its command.
    public static let entryOverhead = 12
}

/// A batch and its hash: enough to prove that a journal holds everything up to it unchanged. The
/// house publishes such points; a settlement on chain is one place.
public struct ChainPoint: Hashable, Sendable {
    /// The batch's sequence number.
    public let sequence: UInt64
    /// The batch's hash.
    public let hash: Digest

    /// A point with both its fields.
    public init(sequence: UInt64, hash: Digest) {
        self.sequence = sequence
        self.hash = hash
    }
}

/// How far a journal goes: what the next batch must follow.
public struct JournalHead: Hashable, Sendable {
    /// The last batch's sequence number; 0 for an empty journal.
    public let sequence: UInt64
    /// The last batch's hash; zero for an empty journal.
    public let hash: Digest
    /// The last batch's time; zero for an empty journal.
    public let time: Timestamp
    /// The last batch's term; 0 for an empty journal.
    public let term: UInt64

    /// A head with all its fields.
    public init(sequence: UInt64, hash: Digest, time: Timestamp, term: UInt64) {
        self.sequence = sequence
        self.hash = hash
        self.time = time
        self.term = term
    }

    /// The head as something to publish.
    public var point: ChainPoint { ChainPoint(sequence: sequence, hash: hash) }

    /// The head of a journal without batches.
    public static let empty = JournalHead(sequence: 0, hash: .zero, time: .zero, term: 0)

    /// Throws `misplaced` unless `batch` may be appended here: the next number, this hash before
    /// it, a later time, a term that is not older.
    public func check(next batch: JournalBatch) throws(JournalError) {
        guard batch.sequence == sequence + 1, batch.previousHash == hash, batch.time > time else {
            throw .misplaced("it follows another batch")
        }
        guard batch.term >= max(term, 1) else { throw .misplaced("the term is in the past") }
    }
}

/// One row of the journal: the commands that were committed together, bound by a hash to every
/// batch before them. The format is docs/internals/journal.md, byte by byte.
public struct JournalBatch: Hashable, Sendable {
    /// 1 for the first batch, then one more each.
    public let sequence: UInt64
    /// The writer's term: grows whenever another process takes the journal over.
    public let term: UInt64
    /// The time of the batch's last command.
    public let time: Timestamp
    /// How many commands the body holds.
    public let count: UInt32
    /// The hash of the batch before; zero for the first.
    public let previousHash: Digest
    /// The hash of all other fields.
    public let hash: Digest
    /// The commands: for each its time (u64), its length (u32) and its bytes.
    public let body: [UInt8]

    /// The batch of `entries` that follows `head`.
    ///
    /// Throws `misplaced` for no entries, for times that do not grow, or for a term older than the
    /// head's, and `limitExceeded` for more than `JournalLimits` allow.
    public init(
        following head: JournalHead, term: UInt64, entries: [JournalEntry]
    ) throws(JournalError) {
        guard let last = entries.last else { throw .misplaced("a batch needs a command") }
        guard term >= max(head.term, 1) else { throw .misplaced("the term is in the past") }
        guard entries.count <= JournalLimits.commandsPerBatch else {
            throw .limitExceeded("commands per batch")
        }
        var writer = ByteWriter()
        var latest = head.time
        for entry in entries {
            guard entry.time > latest else { throw .misplaced("command times must grow") }
            guard entry.command.count <= JournalLimits.commandBytes else {
                throw .limitExceeded("bytes per command")
            }
            latest = entry.time
            writer.write(entry.time)
            writer.write(entry.command)
        }
        guard latest.nanoseconds <= UInt64(Int64.max) else { throw .misplaced("time is over") }
        guard writer.bytes.count <= JournalLimits.bodyBytes else {
            throw .limitExceeded("bytes per batch")
        }
        sequence = head.sequence + 1
        self.term = term
        time = last.time
        count = UInt32(entries.count)
        previousHash = head.hash
        body = writer.bytes
        hash = JournalBatch.chainHash(
            sequence: sequence, term: term, time: time, count: count, previous: previousHash,
            body: body)
    }

    /// A batch as a store holds it. **Nothing is checked**: show it to a `ChainVerifier`.
    public init(
        unchecked sequence: UInt64, term: UInt64, time: Timestamp, count: UInt32,
        previousHash: Digest, hash: Digest, body: [UInt8]
    ) {
        self.sequence = sequence
        self.term = term
        self.time = time
        self.count = count
        self.previousHash = previousHash
        self.hash = hash
        self.body = body
    }

    /// What the next batch must follow.
    public var head: JournalHead {
        JournalHead(sequence: sequence, hash: hash, time: time, term: term)
    }

    /// SHA-256 over the counted domain `exchequer-journal-v1`, sequence, term, time (u64 each),
    /// count (u32), the previous hash and the body; integers little-endian.
    public static func chainHash(
        sequence: UInt64, term: UInt64, time: Timestamp, count: UInt32, previous: Digest,
        body: [UInt8]
    ) -> Digest {
        var hasher = SHA256()
        hasher.update(JournalBatch.domain)
        hasher.update(sequence)
        hasher.update(term)
        hasher.update(time.nanoseconds)
        hasher.update(count)
        hasher.update(previous)
        hasher.update(body)
        return hasher.finish()
    }

    /// `exchequer-journal-v1`, counted.
    private static let domain: [UInt8] = {
        var writer = ByteWriter()
        writer.write("exchequer-journal-v1")
        return writer.bytes
    }()

    /// Whether the hash is the hash of the other fields.
    var isHashed: Bool {
        hash
            == JournalBatch.chainHash(
                sequence: sequence, term: term, time: time, count: count, previous: previousHash,
                body: body)
    }
}
