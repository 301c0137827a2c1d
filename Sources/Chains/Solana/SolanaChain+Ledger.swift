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
/// what is missing seldom comes back: so one slot is asked for a look, the one that was asked the
/// longest ago, and the same not again for a while.
final class SolanaLedgers: Sendable {
    private struct Place: Hashable {
        let url: String
        let since: UInt64
    }

    private struct Question {
        let at: ContinuousClock.Instant
        var until: ContinuousClock.Instant
    }

    private static let patience = Duration.seconds(10)
    /// With a node that did not say.
    private static let patienceWithSilence = Duration.seconds(2)
    /// After that a slot is forgotten that nobody asks for any more.
    private static let kept = Duration.seconds(60)

    /// What was not found, or is being asked for: since when, and until when it is not asked again.
    private let asked = Mutex<[Place: Question]>([:])

    /// The first of some slots from which on a node has every block up to a final height; `nil` if
    /// there is none, or none was found yet.
    func firstWhole(_ slots: [UInt64], of node: SolanaChain, to height: UInt64) async -> UInt64? {
        guard let next = next(slots, node.rpc.url) else { return nil }
        let place = Place(url: node.rpc.url, since: next)
        var pause = Self.patience
        do throws(ChainError) {
            if try await node.hasEveryBlock(from: next, to: height) {
                asked.withLock { $0[place] = nil }
                return next
            }
        } catch {
            // One that refuses has said so.
            if case .rpc(.server) = error {} else { pause = Self.patienceWithSilence }
        }
        let end = ContinuousClock.now + pause
        asked.withLock { $0[place]?.until = end }
        return nil
    }

    /// Which slot to ask for now; it is not asked for again before that is answered.
    private func next(_ slots: [UInt64], _ url: String) -> UInt64? {
        let now = ContinuousClock.now
        return asked.withLock { asked in
            asked = asked.filter { $0.value.until + Self.kept > now }
            let due = Set(slots).map { Place(url: url, since: $0) }.filter {
                asked[$0].map { $0.until <= now } ?? true
            }
            let next = due.min { one, other in
                let (first, second) = (asked[one]?.at, asked[other]?.at)
                guard first != second else { return one.since < other.since }
                guard let first, let second else { return first == nil }
                return first < second
            }
            if let next { asked[next] = Question(at: now, until: now + .seconds(600)) }
            return next?.since
        }
    }
}
