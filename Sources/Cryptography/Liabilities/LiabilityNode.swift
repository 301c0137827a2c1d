public import Primitives

/// A node of the Merkle sum tree: a hash, and the sums of the leaves below it.
///
/// An inner node's hash covers both children with both their sums, not only the total: with the
/// total alone a house can show each of two neighbours the other with nothing, and owe the larger
/// of the two instead of both (Hu, Zhang, Guo, "Breaking the Binding", eprint 2018/1139).
public struct LiabilityNode: Hashable, Sendable {
    /// The hash.
    public let hash: Digest
    /// The sums.
    public let sums: AssetSums

    /// A node of these parts.
    public init(hash: Digest, sums: AssetSums) {
        self.hash = hash
        self.sums = sums
    }

    /// The leaf of one part of what a holder is owed. `blind` keeps whoever sees the hash from
    /// trying out addresses and amounts.
    static func leaf(
        _ holder: EVMAddress, part: UInt8, sums: AssetSums, blind: Digest
    ) -> LiabilityNode {
        var writer = ByteWriter()
        writer.write("exchequer.liability.leaf.v1")
        writer.write(holder)
        writer.write(part)
        writer.write(sums)
        writer.write(blind)
        return LiabilityNode(hash: SHA256.hash(writer.bytes), sums: sums)
    }

    /// The node above two others; `nil` if a sum does not fit 128 bits.
    static func over(_ left: LiabilityNode, _ right: LiabilityNode) -> LiabilityNode? {
        guard let sums = left.sums.checkedAdding(right.sums) else { return nil }
        var writer = ByteWriter()
        writer.write("exchequer.liability.node.v1")
        writer.write(left)
        writer.write(right)
        return LiabilityNode(hash: SHA256.hash(writer.bytes), sums: sums)
    }
}

extension LiabilityNode: CanonicalCodable {
    /// The hash, then the sums: 64 bytes.
    public func encode(into writer: inout ByteWriter) {
        writer.write(hash)
        writer.write(sums)
    }

    /// Reads the hash, then the sums.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(hash: try reader.readDigest(), sums: try reader.read())
    }
}

extension LiabilityCommitment {
    /// What is published: the hash of all fields.
    public var root: Digest {
        var writer = ByteWriter()
        writer.write("exchequer.liability.root.v1")
        writer.write(self)
        return SHA256.hash(writer.bytes)
    }
}
