public import Cryptography
public import Primitives
import Synchronization

/// The trees of batches' claims that are kept, so that a proof is taken out of one that is there.
///
/// Kept are the last two batches, the one that pays, and one more that somebody asks for. What is
/// not kept is built by one builder at a time, however many ask: strangers who ask for old batches
/// wait for each other, and take at most one core.
public actor ClaimTrees {
    private struct Kept: Sendable {
        let batch: BatchID
        let tree: ClaimTree
    }

    private nonisolated let kept = Mutex<[Kept]>([])
    private static let most = 3

    /// No trees.
    public init() {}

    /// The tree of a batch, if it is kept. O(1).
    public nonisolated func known(_ batch: BatchID) -> ClaimTree? {
        kept.withLock { all in all.first { $0.batch == batch }?.tree }
    }

    /// The tree of a batch, built unless it is kept. `paying` is the batch that pays, if there is
    /// one, whose tree is kept.
    public func tree(
        of batch: BatchID, paying: BatchID?, build: @Sendable () -> ClaimTree
    ) -> ClaimTree {
        if let tree = known(batch) { return tree }
        let tree = build()
        kept.withLock { all in
            all.append(Kept(batch: batch, tree: tree))
            guard all.count > Self.most else { return }
            let spare = all.indices.filter { all[$0].batch != batch && all[$0].batch != paying }
            if let oldest = spare.min(by: { all[$0].batch.rawValue < all[$1].batch.rawValue }) {
                all.remove(at: oldest)
            }
        }
        return tree
    }
}
