import Primitives

/// Whether new intents may start. Transactions under way go on whatever it says.
struct CircuitBreaker: Hashable, Sendable {
    /// How many looks in a row had no answer.
    var failures: UInt32 = 0
    var areNodesUnreachable = false
    var isFeeSpike = false
    /// The height of the block that was lost.
    var deepReorg: UInt64?
    /// The lane whose nonce was taken.
    var takenKey: EVMAddress?

    var isOpen: Bool {
        areNodesUnreachable || isFeeSpike || deepReorg != nil || takenKey != nil
    }

    /// A look without an answer.
    mutating func unanswered(allowed: UInt32) -> EVMManagerAlert? {
        failures = failures == .max ? .max : failures + 1
        guard !areNodesUnreachable, failures >= allowed else { return nil }
        areNodesUnreachable = true
        return .opened(.nodesUnreachable)
    }

    /// A look with an answer.
    mutating func answered() -> EVMManagerAlert? {
        failures = 0
        guard areNodesUnreachable else { return nil }
        areNodesUnreachable = false
        return .closed(.nodesUnreachable)
    }

    /// What a first attempt would offer now, `nil` above everything. Closes a tenth below where
    /// it opens, so that it does not flutter.
    mutating func priced(_ cap: UInt128?, maximum: UInt128) -> EVMManagerAlert? {
        let limit = isFeeSpike ? maximum - maximum / 10 : maximum
        let isSpike = cap.map { $0 > limit } ?? true
        guard isSpike != isFeeSpike else { return nil }
        isFeeSpike = isSpike
        return isSpike ? .opened(.feeSpike) : .closed(.feeSpike)
    }
}
