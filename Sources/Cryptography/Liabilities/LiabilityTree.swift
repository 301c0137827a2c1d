public import Primitives

/// A Merkle sum tree of everything a house owes: one root for all holders and assets. Each holder
/// can be shown that what it is owed is in the totals, and learns of nobody else's balance.
///
/// What a holder is owed is divided at random in two leaves, so that the leaf beside one of
/// another holder's says little; leaves that stand for nobody fill the tree to a power of two, at
/// least 16; and all lie in the order of their hashes, which are blinded, so at random. The format
/// is docs/reference/liabilities.md.
public struct LiabilityTree: Sendable {
    /// Why no tree can be made.
    public enum Failure: Error, Hashable, Sendable {
        /// The sums of all holders do not fit 128 bits.
        case overflow
        /// Two entries name this holder.
        case duplicateHolder(EVMAddress)
    }

    /// What the tree commits to.
    public let commitment: LiabilityCommitment

    private let blinding: LiabilityBlinding
    /// Every level, leaves first, the top alone in the last.
    private let levels: [[LiabilityNode]]
    /// What is owed, in order of holder.
    private let liabilities: [Liability]

    /// The smallest depth, so that a small house does not show how small.
    private static let leastDepth = 4

    /// The tree of what is owed after a batch of the journal. `salt` is the house's secret, 16 to
    /// 64 bytes. The order of `liabilities` does not matter. O(n log n).
    public init(
        _ liabilities: [Liability], batch: BatchID, sequence: UInt64, head: Digest, salt: [UInt8]
    ) throws(Failure) {
        precondition((16...64).contains(salt.count), "a salt has 16 to 64 bytes")
        let sorted = liabilities.sorted { $0.holder < $1.holder }
        for (one, next) in zip(sorted, sorted.dropFirst()) where one.holder == next.holder {
            throw .duplicateHolder(one.holder)
        }
        let blinding = LiabilityBlinding(salt: salt, batch: batch, sequence: sequence, head: head)
        let levels = try Self.levels(over: Self.leaves(sorted, blinding))
        let top = levels[levels.count - 1][0]
        self.blinding = blinding
        self.levels = levels
        self.liabilities = sorted
        commitment = LiabilityCommitment(
            batch: batch, sequence: sequence, head: head, depth: UInt8(levels.count - 1),
            totals: top.sums, top: top.hash)
    }

    /// How many holders are in it.
    public var holders: Int { liabilities.count }

    /// The proof for one holder; `nil` if it is not in the tree. O(log n).
    public func proof(of holder: EVMAddress) -> LiabilityProof? {
        guard let place = liabilities.firstIndex(sortedBy: holder, of: \.holder) else {
            return nil
        }
        let nonce = blinding.nonce(of: holder)
        let parts = Self.parts(of: liabilities[place], nonce).map { leaf in
            guard let place = levels[0].firstIndex(sortedBy: leaf.hash, of: \.hash) else {
                preconditionFailure("every part is a leaf")
            }
            return LiabilityProof.Part(
                place: UInt64(place), sums: leaf.sums,
                path: levels.indices.dropLast().map { levels[$0][place >> $0 ^ 1] })
        }
        return LiabilityProof(
            commitment: commitment, holder: holder, sums: liabilities[place].sums, nonce: nonce,
            parts: parts)
    }

    private static func parts(of liability: Liability, _ nonce: Digest) -> [LiabilityNode] {
        let parts = LiabilityBlinding.split(liability.sums, nonce: nonce)
        return parts.enumerated().map { part, sums in
            let blind = LiabilityBlinding.blind(nonce, part: UInt8(part))
            return .leaf(liability.holder, part: UInt8(part), sums: sums, blind: blind)
        }
    }

    private static func leaves(
        _ liabilities: [Liability], _ blinding: LiabilityBlinding
    ) -> [LiabilityNode] {
        var leaves: [LiabilityNode] = []
        var count = 1 << leastDepth
        while count < liabilities.count * Int(LiabilityBlinding.parts) { count *= 2 }
        leaves.reserveCapacity(count)
        for liability in liabilities {
            leaves += parts(of: liability, blinding.nonce(of: liability.holder))
        }
        for number in 0..<UInt64(count - leaves.count) {
            leaves.append(LiabilityNode(hash: blinding.padding(number), sums: .zero))
        }
        return leaves.sorted { $0.hash < $1.hash }
    }

    private static func levels(
        over leaves: [LiabilityNode]
    ) throws(Failure) -> [[LiabilityNode]] {
        var levels = [leaves]
        var level = leaves
        while level.count > 1 {
            var above: [LiabilityNode] = []
            above.reserveCapacity(level.count / 2)
            for place in stride(from: 0, to: level.count, by: 2) {
                guard let node = LiabilityNode.over(level[place], level[place + 1]) else {
                    throw .overflow
                }
                above.append(node)
            }
            levels.append(above)
            level = above
        }
        return levels
    }
}

extension Array {
    /// Where the element with this key is in an array in order of that key. O(log n).
    fileprivate func firstIndex<Key: Comparable>(
        sortedBy key: Key, of path: KeyPath<Element, Key>
    ) -> Int? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle][keyPath: path] < key { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low][keyPath: path] == key ? low : nil
    }
}
