import Primitives

/// What came of one round of paying channels out.
public struct DistributeRound: Hashable, Sendable {
    /// A payout that is on its way.
    public struct Sent: Hashable, Sendable {
        let plan: DistributePlan
        let transaction: [UInt8]
        let id: Signature
        let lastHeight: UInt64
    }

    /// Transactions sent in this round.
    public internal(set) var sent = 0
    /// Payouts whose end is not known yet.
    public internal(set) var pending: [Sent] = []
    /// Channels that wait, and why.
    public internal(set) var held: [DistributeHold] = []

    /// Nothing yet.
    public init() {}
}
