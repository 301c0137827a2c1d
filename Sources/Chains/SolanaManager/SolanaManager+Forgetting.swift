public import Primitives

/// What lets the state stay small, and what has to be said of it.
extension SolanaManager {
    /// The entries of payouts that are over leave the state.
    mutating func forget(_ ids: [Digest], in round: UInt64) throws(SolanaManagerRejection) {
        var gone: Set<Digest> = []
        var last = forgottenSlot
        for id in ids {
            guard let entry = entries[id] else { continue }
            guard case .closed(let outcome) = entry.place else { throw .notClosed }
            if case .settled(_, let slot) = outcome { last = max(last, slot) }
            gone.insert(id)
        }
        if gone.isEmpty { return }
        forgottenSlot = last
        for id in ids { entries[id] = nil }
        mark.forgettings = max(mark.forgettings, round)
        order.removeAll { gone.contains($0) }
        outbox.removeAll { gone.contains($0.id) }
        // One that was called off may still stand in a queue, where its place alone kept it from
        // being taken.
        fresh.removeAll { gone.contains($0) }
        looking.removeAll { gone.contains($0) }
        ready.removeAll { gone.contains($0) }
        missing.removeAll { gone.contains($0) }
        quarantine.removeAll { gone.contains($0.id) }
    }

    /// How many payouts are remembered, those that are over included. O(1).
    public var remembered: Int { order.count }

    /// Nothing that was forgotten was carried out in a later slot.
    public var lastForgottenSlot: UInt64 { forgottenSlot }

    /// The nonces that batches on their way use. O(batches).
    public var noncesInUse: [SolanaAddress] { batches.compactMap { $0.nonce?.account } }
}

/// A batch that pays, of which nobody knows a transaction, signed so long ago that nodes may have
/// forgotten it. It ends when enough nodes that have the history since know nothing of it.
public struct SolanaStuckBatch: Hashable, Sendable {
    /// The batch.
    public let number: UInt64
    /// What was signed for it.
    public let transactions: [Signature]
    /// What it pays.
    public let payouts: [Digest]
    /// How much that is in all, in the token's units.
    public let tokens: UInt64
    /// When its first transaction was signed.
    public let since: Timestamp
    /// The slot from which on a node must have the history; 0: all of it.
    public let history: UInt64

    /// A batch of these parts.
    public init(
        number: UInt64, transactions: [Signature], payouts: [Digest], tokens: UInt64,
        since: Timestamp, history: UInt64
    ) {
        (self.number, self.transactions, self.payouts) = (number, transactions, payouts)
        (self.tokens, self.since, self.history) = (tokens, since, history)
    }
}

extension SolanaManager {
    /// The batches that wait for nodes with a longer history. O(batches).
    public var stuckBatches: [SolanaStuckBatch] {
        batches.filter { $0.isTooOld && $0.kind == .pay && !$0.isSeen }.map { batch in
            SolanaStuckBatch(
                number: batch.number, transactions: batch.attempts.map(\.id), payouts: batch.ids,
                tokens: batch.tokens, since: batch.attempts.first?.signedAt ?? batch.formedAt,
                history: batch.earliest)
        }
    }
}
