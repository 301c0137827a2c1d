/// What the house owes one holder.
public struct Liability: Hashable, Sendable {
    /// Who it is owed to: the address it would be paid to.
    public let holder: EVMAddress
    /// How much.
    public var sums: AssetSums

    /// What is owed to an address.
    public init(holder: EVMAddress, sums: AssetSums) {
        self.holder = holder
        self.sums = sums
    }

    /// Stands for the money of delivered jobs that wait out their challenge window: it is owed to
    /// the stages or back to the buyer, and which is not decided yet.
    public static let escrow = EVMAddress.zero
}

/// What a house owes everybody at one moment, as a settlement batch commits it: the totals, and
/// the top of the Merkle sum tree whose leaves they are the sums of
/// (docs/reference/liabilities.md).
public struct LiabilityCommitment: Hashable, Sendable {
    /// The batch that carries it.
    public let batch: BatchID
    /// The journal's batch after which the sums were taken.
    public let sequence: UInt64
    /// The hash of that batch: fixes every command up to it, and so every balance.
    public let head: Digest
    /// Steps from every leaf to the top; the tree has 2^depth leaves.
    public let depth: UInt8
    /// The sums of all leaves.
    public let totals: AssetSums
    /// The hash of the tree's top node.
    public let top: Digest

    /// The most steps from a leaf to the top.
    public static let depthLimit: UInt8 = 64

    /// A commitment of these parts.
    public init(
        batch: BatchID, sequence: UInt64, head: Digest, depth: UInt8, totals: AssetSums,
        top: Digest
    ) {
        self.batch = batch
        self.sequence = sequence
        self.head = head
        self.depth = depth
        self.totals = totals
        self.top = top
    }
}

extension LiabilityCommitment: CanonicalCodable {
    /// The fields in order: 113 bytes.
    public func encode(into writer: inout ByteWriter) {
        writer.write(batch)
        writer.write(sequence)
        writer.write(head)
        writer.write(depth)
        writer.write(totals)
        writer.write(top)
    }

    /// Reads the fields in order; a depth over `depthLimit` is refused.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            batch: try reader.read(), sequence: try reader.readUInt64(),
            head: try reader.readDigest(), depth: try reader.readUInt8(),
            totals: try reader.read(), top: try reader.readDigest())
        if depth > Self.depthLimit { throw .limitExceeded("depth") }
    }
}
