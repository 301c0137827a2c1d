public import Chains
import Clearing
import Primitives
import Synchronization

/// What the payout manager may forget, and what of it is stuck.
extension SolanaSettlement {
    /// So many dispersals are looked at in one go.
    private static let lookedAt = 4_096

    /// Whether everything that was over at the start is booked and found, for the first time: then
    /// the manager may forget it at once.
    func mayForgetFirst() async throws -> Bool {
        guard let known = state.withLock({ $0.hasForgotten ? nil : $0.overAtStart }) else {
            return false
        }
        var over = known
        if over < 0 {
            over = try await sequencer.read { $0.dispersals.count - $0.openDispersals.count }
        }
        let (target, found) = (over, watch.mark)
        return state.withLock { state in
            state.overAtStart = target
            guard found >= target, state.costMark >= target else { return false }
            state.hasForgotten = true
            return target > 0
        }
    }

    /// Lets the manager forget payments that nobody asks it for any more: those of dispersals that
    /// are over in the books, whose costs are booked and which were found on the chain.
    ///
    /// A forgotten id is never submitted again, since what is submitted is open in the books, and
    /// what is over there stays over. An older copy of the journal may take it for open; so the
    /// journal is told first, and one that was not told of it is not gone on with.
    func forget() async throws {
        let (owner, end) = (owner, min(state.withLock { $0.costMark }, watch.mark))
        while true {
            let from = state.withLock { $0.forgotMark }
            guard from < end else { return }
            let (over, next, told) = try await sequencer.read { [driver] house in
                var ids: [Digest] = []
                var place = from
                while place < min(end, from + Self.lookedAt) {
                    let dispersal = house.dispersals[place]
                    if dispersal.rail == .solana {
                        let count = ids.count + dispersal.payments.count
                        if dispersal.isOpen || count > SolanaManagerInput.listLimit { break }
                        ids += dispersal.payments.indices.map {
                            driver.id(of: dispersal, payment: $0)
                        }
                    }
                    place += 1
                }
                let record = house.solanaRecords.first { $0.pin.owner == owner }
                return (ids, place, record?.forgettings ?? 0)
            }
            let known = over.filter { id in
                if case .closed = driver.status(of: id) { true } else { false }
            }
            if !known.isEmpty {
                let round = max(told, driver.mark.forgettings) + 1
                try await pinning.forget(round)
                try await driver.forget(known, in: round)
                notes.forget(known)
            }
            guard next > from else { return }
            state.withLock { $0.forgotMark = next }
        }
    }

    /// The batches of whose transactions nobody knows anything, and what would end them. Asks the
    /// nodes only if there are any.
    public func stuck() async -> [SolanaStuck] {
        let batches = driver.stuckBatches
        if batches.isEmpty { return [] }
        var histories: [UInt64?] = []
        for node in nodes.all { histories.append(try? await node.firstAvailableSlot()) }
        let height = try? await nodes.finalHeight()
        var found: [SolanaStuck] = []
        for batch in batches {
            var holes: Set<Int> = []
            for (place, node) in nodes.all.enumerated() {
                guard let first = histories[place], first <= batch.history, let height else {
                    continue
                }
                let isWhole = try? await node.hasEveryBlock(from: batch.history, to: height)
                if isWhole == false { holes.insert(place) }
            }
            found.append(
                SolanaStuck(batch, histories, holes: holes, needed: nodes.quorum.needed))
        }
        return found
    }
}

/// Payments that were signed so long ago that nodes may have forgotten their transaction, and of
/// which none knows anything: they are neither made again nor given back without evidence.
public struct SolanaStuck: Codable, Hashable, Sendable {
    /// The batch.
    public let batch: UInt64
    /// How much it pays, as decimal text of dollars, and to how many.
    public let amount: String
    /// See `amount`.
    public let payments: Int
    /// What was signed for it, in base58.
    public let transactions: [String]
    /// When, in milliseconds since 1970.
    public let since: UInt64
    /// The slot from which on a node must have its history to know; 0: all of it.
    public let wantsHistoryFrom: UInt64
    /// The first slot each node has, in the order of `--solana-rpc-url`; -1 if it does not say.
    public let histories: [Int64]
    /// How many nodes reach back far enough and have every block since, and how many must.
    public let reaching: Int
    /// See `reaching`.
    public let needed: Int
    /// What one can do.
    public let advice: String

    enum CodingKeys: String, CodingKey {
        case batch, amount, payments, transactions, since, histories, reaching, needed, advice
        case wantsHistoryFrom = "wants_history_from"
    }

    /// What is to be said of a batch, with the first slot of each node, and the places of those
    /// that lack blocks since.
    public init(
        _ stuck: SolanaStuckBatch, _ histories: [UInt64?], holes: Set<Int> = [], needed: Int
    ) {
        batch = stuck.number
        amount = Asset.usd.text(units: UInt128(stuck.tokens))
        payments = stuck.payouts.count
        transactions = stuck.transactions.map { PayoutOwner.text($0) }
        since = stuck.since.nanoseconds / 1_000_000
        wantsHistoryFrom = stuck.history
        self.histories = histories.map { $0.map { Int64(clamping: $0) } ?? -1 }
        reaching = histories.enumerated().count { place, first in
            first.map { $0 <= stuck.history && !holes.contains(place) } ?? false
        }
        self.needed = needed
        advice =
            reaching >= needed
            ? "nothing: it ends with the next looks, if none of these nodes knows the transactions"
            : "add nodes that have every block from slot \(stuck.history) on, with one more "
                + "--solana-rpc-url each, until \(needed) have it: if they know nothing of the "
                + "transactions, the payments are made again by themselves"
    }
}
