import Cryptography
public import Primitives

/// A node of a Merkle tree that a game has come down to: five levels in one turn, so that a tree of
/// a million leaves takes four.
public struct TreeDescent: Hashable, Sendable {
    /// Levels in one turn: up to 32 hashes.
    static let levels = 5

    /// How many leaves the tree has.
    public let count: Int
    /// The node's level; 0 is a leaf.
    public let level: Int
    /// The node's place in its level.
    public let index: Int
    /// What the accused says its hash is.
    public let hash: Digest

    /// The root of a tree of `count` leaves.
    init(root: Digest, count: Int) {
        self.init(count: count, level: MerkleRange.height(count: count), index: 0, hash: root)
    }

    private init(count: Int, level: Int, index: Int, hash: Digest) {
        self.count = count
        self.level = level
        self.index = index
        self.hash = hash
    }

    /// Whether it is a leaf.
    public var isLeaf: Bool { level == 0 }

    /// The level that the next turn opens.
    public var openedLevel: Int { max(level - Self.levels, 0) }

    /// The nodes of that level below this node.
    public var openedNodes: Range<Int> {
        let shift = level - openedLevel
        let width = MerkleRange.width(of: openedLevel, count: count)
        return index << shift..<min((index + 1) << shift, width)
    }

    /// Throws unless `hashes` are as many as are to be opened and lead to this node.
    func check(_ hashes: [Digest]) throws(BisectionRejection) {
        guard hashes.count == openedNodes.count else {
            throw BisectionRejection(
                .wrongCount, "\(hashes.count) hashes where \(openedNodes.count) open the node")
        }
        guard MerkleTree(leaves: hashes).root == hash else {
            throw BisectionRejection(.brokenFold, "the hashes do not lead to \(hash)")
        }
    }

    /// The opened node that was chosen.
    func child(_ choice: Int, of hashes: [Digest]) throws(BisectionRejection) -> TreeDescent {
        guard hashes.indices.contains(choice) else {
            throw BisectionRejection(.choiceOutOfRange, "\(choice) of \(hashes.count) hashes")
        }
        return TreeDescent(
            count: count, level: openedLevel, index: openedNodes.lowerBound + choice,
            hash: hashes[choice])
    }
}
