import Primitives
import Synchronization

/// How many positions of all jobs wait at each node. Runs tell what waits for them; a node works
/// them off one after the other, so patience with it grows with what is queued.
final class NodeLoad: Sendable {
    private let waiting = Mutex<[PublicKey: Int]>([:])

    func waiting(at node: PublicKey) -> Int { waiting.withLock { $0[node] ?? 0 } }

    /// Replaces what one run had waiting by what it has now.
    func change(from old: [(PublicKey, Int)], to new: [(PublicKey, Int)]) {
        waiting.withLock { waiting in
            for (node, count) in old { waiting[node, default: 0] -= count }
            for (node, count) in new { waiting[node, default: 0] += count }
            for (node, _) in old where waiting[node] == 0 { waiting[node] = nil }
        }
    }
}
