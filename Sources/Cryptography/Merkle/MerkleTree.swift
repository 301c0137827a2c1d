public import Primitives

/// A SHA-256 Merkle tree over an ordered list, as in RFC 6962 section 2.1: a leaf is
/// H(0x00 | data), a node H(0x01 | left | right), and a node without a sibling moves up as it is.
/// Leaf and node hashes cannot be taken for each other.
public struct MerkleTree: Sendable {
    /// Every level, leaves first, the root alone in the last.
    let levels: [[Digest]]

    /// The tree over leaf hashes made by `leaf`, in this order.
    public init(leaves: [Digest]) {
        var levels = [leaves]
        var level = leaves
        while level.count > 1 {
            level = Self.level(above: level)
            levels.append(level)
        }
        self.levels = levels
    }

    /// The nodes over two neighbours each; one without a sibling moves up as it is.
    static func level(above level: [Digest]) -> [Digest] {
        var above: [Digest] = []
        above.reserveCapacity((level.count + 1) / 2)
        for index in stride(from: 0, to: level.count - 1, by: 2) {
            above.append(node(level[index], level[index + 1]))
        }
        if !level.count.isMultiple(of: 2), let last = level.last { above.append(last) }
        return above
    }

    /// The tree over the raw bytes of each leaf.
    public init(data: [[UInt8]]) {
        self.init(leaves: data.map(Self.leaf))
    }

    /// How many leaves.
    public var count: Int { levels[0].count }

    /// The root; SHA-256 of nothing for no leaves (RFC 6962).
    public var root: Digest { levels[levels.count - 1].first ?? Self.emptyRoot }

    /// The proof that leaf `index` is in the tree; `nil` if there is no such leaf.
    public func proof(at index: Int) -> MerkleProof? {
        guard levels[0].indices.contains(index) else { return nil }
        var path: [Digest] = []
        var position = index
        for level in levels.dropLast() {
            let sibling = position ^ 1
            if sibling < level.count { path.append(level[sibling]) }
            position >>= 1
        }
        return MerkleProof(index: UInt64(index), count: UInt64(count), path: path)
    }

    /// The root of no leaves.
    public static let emptyRoot = SHA256.hash([UInt8]())

    /// The hash of a leaf: H(0x00 | data).
    public static func leaf(_ data: [UInt8]) -> Digest {
        var hasher = SHA256()
        hasher.update([0])
        hasher.update(data)
        return hasher.finish()
    }

    /// The hash of a leaf: H(0x00 | data).
    public static func leaf(_ data: UnsafeRawBufferPointer) -> Digest {
        var hasher = SHA256()
        hasher.update([0])
        unsafe hasher.update(data)
        return hasher.finish()
    }

    /// The hash of an inner node: H(0x01 | left | right).
    public static func node(_ left: Digest, _ right: Digest) -> Digest {
        var hasher = SHA256()
        hasher.update([1])
        for digest in [left, right] {
            unsafe digest.withBytes {
                unsafe hasher.update(UnsafeRawBufferPointer(start: $0, count: 32))
            }
        }
        return hasher.finish()
    }
}

/// The hashes beside the way from one leaf to the root.
public struct MerkleProof: Hashable, Sendable {
    /// The leaf's place, from 0.
    public let index: UInt64
    /// How many leaves the tree has.
    public let count: UInt64
    /// The siblings, lowest first.
    public let path: [Digest]

    /// A proof of these parts, unchecked until `verify`.
    public init(index: UInt64, count: UInt64, path: [Digest]) {
        self.index = index
        self.count = count
        self.path = path
    }

    /// Whether `leaf` (a leaf hash) stands at `index` of the tree of `count` leaves with this
    /// root. The algorithm of RFC 9162 section 2.1.3.2.
    public func verifies(leaf: Digest, root: Digest) -> Bool {
        guard index < count else { return false }
        var (position, last, hash) = (index, count - 1, leaf)
        for sibling in path {
            guard last > 0 else { return false }
            if position & 1 == 1 || position == last {
                hash = MerkleTree.node(sibling, hash)
                while position & 1 == 0, position != 0 {
                    position >>= 1
                    last >>= 1
                }
            } else {
                hash = MerkleTree.node(hash, sibling)
            }
            position >>= 1
            last >>= 1
        }
        return last == 0 && hash == root
    }
}

extension MerkleProof: CanonicalCodable {
    /// Index, count, then the counted path.
    public func encode(into writer: inout ByteWriter) {
        writer.write(index)
        writer.write(count)
        writer.write(UInt32(path.count))
        for digest in path { writer.write(digest) }
    }

    /// Reads a proof; a path over 64 hashes is refused.
    public init(from reader: inout ByteReader) throws(CodecError) {
        let index = try reader.readUInt64()
        let count = try reader.readUInt64()
        var path: [Digest] = []
        for _ in 0..<(try reader.readCount(limit: 64)) { path.append(try reader.readDigest()) }
        self.init(index: index, count: count, path: path)
    }
}
