import Chains
import Clearing
import Cryptography
import Primitives

/// The leaves of a root of a pool on Solana, and the tree over them.
struct PoolTree: Sendable {
    /// The root, and the sum of the leaves.
    let claims: PayoutPoolRoot.Claims
    private let leaves: [Digest: UInt64]
    private let tree: ClaimTree
    private let leaf: @Sendable (SolanaAddress, UInt64) -> Digest

    /// The tree of what owners are owed. O(leaves log leaves).
    init(
        _ owed: [(owner: Digest, cumulative: UInt128)],
        leaf: @escaping @Sendable (SolanaAddress, UInt64) -> Digest
    ) {
        let sums = owed.map { (SolanaAddress($0.owner), UInt64(clamping: $0.cumulative)) }
        self.leaf = leaf
        leaves = Dictionary(uniqueKeysWithValues: sums.map { ($0.0.value, $0.1) })
        tree = ClaimTree(leaves: sums.map { leaf($0.0, $0.1) })
        claims = PayoutPoolRoot.Claims(
            tree.root, total: sums.reduce(UInt64(0)) { $0.saturatingSum($1.1) })
    }

    /// An owner's leaf and its siblings, lowest first; `nil` without one. O(log leaves).
    func proof(of owner: Digest) -> (cumulative: UInt64, path: [Digest])? {
        guard let cumulative = leaves[owner],
            let path = tree.proof(of: leaf(SolanaAddress(owner), cumulative))
        else { return nil }
        return (cumulative, path)
    }
}

/// The trees of the last roots of pools: of one those that pays, and that will. Whoever asks while
/// one is built waits for the same.
actor PoolTrees {
    private let sequencer: Sequencer
    private let mint: SolanaAddress
    private let cluster: Digest
    private var kept: [(id: DispersalID, tree: Task<PoolTree, any Error>)] = []

    private static let most = 4

    /// Trees of pools of one token of one cluster.
    init(_ sequencer: Sequencer, mint: SolanaAddress, cluster: Digest) {
        self.sequencer = sequencer
        self.mint = mint
        self.cluster = cluster
    }

    /// The tree of a dispersal that is a root of a pool. O(payments of the pool's dispersals) the
    /// first time.
    func tree(of id: DispersalID, in pool: SolanaAddress) async throws -> PoolTree {
        if let known = kept.first(where: { $0.id == id }) { return try await known.tree.value }
        let (sequencer, mint, cluster) = (sequencer, mint, cluster)
        let task = Task {
            PoolTree(try await sequencer.read { $0.poolLeaves(of: id) }) { payee, cumulative in
                PayoutPool.leaf(
                    of: payee, cumulative: cumulative, in: pool, of: mint, on: cluster)
            }
        }
        kept.append((id, task))
        if kept.count > Self.most { kept.removeFirst() }
        do {
            return try await task.value
        } catch {
            kept.removeAll { $0.id == id }
            throw error
        }
    }
}
