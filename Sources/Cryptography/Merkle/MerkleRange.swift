public import Primitives

/// The places of a `MerkleTree`: its levels, and what opens a run of neighbouring leaves. Level 0
/// are the leaves; a level has one node for each two of the level below, rounded up.
public enum MerkleRange {
    /// How many nodes a level of a tree of `count` leaves has.
    public static func width(of level: Int, count: Int) -> Int {
        (count + (1 << level) - 1) >> level
    }

    /// The level of the root of a tree of `count` leaves, at least one.
    public static func height(count: Int) -> Int {
        Int.bitWidth - max(count - 1, 0).leadingZeroBitCount
    }

    /// The root that neighbouring leaves, the first of them at `start` of `count`, lead to with
    /// the hashes beside them: from the lowest level up, left before right. `nil` if the leaves
    /// are not in such a tree or the path is not exactly as long as it must be.
    ///
    /// O(leaves + log count) hashes.
    public static func root(
        leaves: [Digest], at start: Int, of count: Int, path: [Digest]
    ) -> Digest? {
        guard !leaves.isEmpty, start >= 0, leaves.count <= count, start <= count - leaves.count
        else { return nil }
        var (nodes, first, width, rest) = (leaves, start, count, path[...])
        while width > 1 {
            if !first.isMultiple(of: 2) {
                guard let left = rest.popFirst() else { return nil }
                nodes.insert(left, at: 0)
                first -= 1
            }
            if !nodes.count.isMultiple(of: 2), first + nodes.count < width {
                guard let right = rest.popFirst() else { return nil }
                nodes.append(right)
            }
            nodes = MerkleTree.level(above: nodes)
            first /= 2
            width = (width + 1) / 2
        }
        return rest.isEmpty ? nodes[0] : nil
    }
}

extension MerkleTree {
    /// The nodes of one level in a range; those that are not there are left out.
    public func nodes(level: Int, _ range: Range<Int>) -> [Digest] {
        guard levels.indices.contains(level) else { return [] }
        return Array(levels[level][range.clamped(to: 0..<levels[level].count)])
    }

    /// The hashes that lead from the leaves of `range` to the root, as `MerkleRange.root` takes
    /// them; `nil` if the range is empty or not inside the tree.
    public func path(of range: Range<Int>) -> [Digest]? {
        guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= count else { return nil }
        var (first, end) = (range.lowerBound, range.upperBound)
        var path: [Digest] = []
        for level in levels.dropLast() {
            if !first.isMultiple(of: 2) { path.append(level[first - 1]) }
            if !end.isMultiple(of: 2), end < level.count { path.append(level[end]) }
            first /= 2
            end = (end + 1) / 2
        }
        return path
    }
}
