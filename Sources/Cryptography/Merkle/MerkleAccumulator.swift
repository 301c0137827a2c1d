public import Primitives

/// Builds the root of a `MerkleTree` one leaf at a time, keeping only O(log n) hashes: the roots of
/// a receipt's positions, computed while the answer streams.
public struct MerkleAccumulator: Sendable {
    /// Roots of complete subtrees, largest first. The binary digits of `count` say how large.
    private var peaks: [Digest] = []
    /// How many leaves were appended.
    public private(set) var count: UInt64 = 0

    /// No leaves yet.
    public init() {}

    /// Appends the bytes of the next leaf.
    public mutating func append(_ data: [UInt8]) {
        append(leaf: MerkleTree.leaf(data))
    }

    /// Appends the bytes of the next leaf.
    public mutating func append(_ data: UnsafeRawBufferPointer) {
        append(leaf: unsafe MerkleTree.leaf(data))
    }

    /// Appends the next leaf by its hash, made by `MerkleTree.leaf`.
    public mutating func append(leaf: Digest) {
        var hash = leaf
        for _ in 0..<(~count).trailingZeroBitCount {
            hash = MerkleTree.node(peaks.removeLast(), hash)
        }
        peaks.append(hash)
        count += 1
    }

    /// The root over what was appended so far; equal to `MerkleTree`'s.
    public var root: Digest {
        guard var hash = peaks.last else { return MerkleTree.emptyRoot }
        for peak in peaks.dropLast().reversed() { hash = MerkleTree.node(peak, hash) }
        return hash
    }
}
