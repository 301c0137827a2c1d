import Primitives
import Synchronization

// Whether a node has what it would have to know.
extension SolanaChain {
    /// How many slots a node tells the blocks of at once.
    private static let slotsAtOnce: UInt64 = 500_000
    /// Of more slots than this, some 37 days, nothing is proven.
    private static let mostSlots = 16 * slotsAtOnce

    /// Whether the node has every block from a slot up to a final height. One that was down goes on
    /// from a snapshot, and of the time in between it knows nothing, though it has what was before.
    /// Heights count blocks, and not slots that were skipped: as many blocks as heights are all.
    public func hasEveryBlock(
        from first: UInt64, to height: UInt64
    ) async throws(ChainError) -> Bool {
        let last = try await slot(.finalized)
        guard first <= last, last - first < Self.mostSlots else { return false }
        var count: UInt64 = 0
        var begin: UInt64?
        var end: UInt64?
        for start in stride(from: first, through: last, by: Int(Self.slotsAtOnce)) {
            let slots = try await blocks(from: start, to: min(start + Self.slotsAtOnce - 1, last))
            count += UInt64(slots.count)
            begin = begin ?? slots.first
            end = slots.last ?? end
        }
        guard let begin, let end else { return false }
        let (oldest, newest) = (try await place(of: begin), try await place(of: end))
        // Right after a block of before.
        guard begin == first || oldest.parentSlot < first, let lowest = oldest.blockHeight,
            let highest = newest.blockHeight, highest >= height, highest >= lowest
        else { return false }
        return highest - lowest == count - 1
    }

    /// The slots of a range of which the node has the final block, in order.
    private func blocks(from first: UInt64, to last: UInt64) async throws(ChainError) -> [UInt64] {
        let slots: [UInt64] = try await ask(
            "getBlocks",
            [
                .integer(Int64(clamping: first)), .integer(Int64(clamping: last)),
                .object(["commitment": "finalized"]),
            ])
        guard slots.allSatisfy({ first <= $0 && $0 <= last }),
            zip(slots, slots.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw .inconsistentNode("blocks that were not asked for") }
        return slots
    }

    /// Where a final block stands.
    private func place(of slot: UInt64) async throws(ChainError) -> BlockPlace {
        let options = JSONValue.object([
            "commitment": "finalized", "transactionDetails": "none", "rewards": false,
            "maxSupportedTransactionVersion": .integer(0),
        ])
        return try await ask("getBlock", [.integer(Int64(clamping: slot)), options])
    }
}

/// Where a block stands in its chain.
private struct BlockPlace: Decodable, Sendable {
    /// The slot of the block before it.
    let parentSlot: UInt64
    /// How many blocks were before it; `nil` for those of before that was kept.
    let blockHeight: UInt64?
}

/// Which nodes have every block since which slots. That takes many calls where much is missing, and
/// what is missing seldom comes back: so it is asked once a look, and not again for a while.
final class SolanaLedgers: Sendable {
    private struct Lack: Hashable {
        let url: String
        let since: UInt64
    }

    private static let patience = Duration.seconds(10)

    /// Until when a node is not asked again.
    private let lacks = Mutex<[Lack: ContinuousClock.Instant]>([:])

    /// The first of some slots from which on a node has every block up to a final height; `nil` if
    /// there is none, or none was found yet.
    func firstWhole(_ slots: [UInt64], of node: SolanaChain, to height: UInt64) async -> UInt64? {
        let now = ContinuousClock.now
        let next = lacks.withLock { lacks in
            lacks = lacks.filter { $0.value > now }
            return Set(slots).sorted().first {
                lacks[Lack(url: node.rpc.url, since: $0)] == nil
            }
        }
        guard let next else { return nil }
        if (try? await node.hasEveryBlock(from: next, to: height)) == true { return next }
        lacks.withLock {
            $0[Lack(url: node.rpc.url, since: next)] = ContinuousClock.now + Self.patience
        }
        return nil
    }
}
