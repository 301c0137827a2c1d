public import Primitives

/// A closed epoch: what was emitted and to whom.
public struct EpochRecord: Hashable, Sendable {
    /// The epoch's number, from 1.
    public let id: EpochID
    /// When it was closed.
    public let closedAt: Timestamp
    /// What it emitted, in TLY ledger units, without what rounding left.
    public let emitted: Amount
    /// Who earned how much, in order of party.
    public let shares: [EpochShare]
}

/// What one party earned in an epoch.
public struct EpochShare: Hashable, Sendable {
    /// Who.
    public let party: PartyID
    /// Verified work, in token-layers.
    public let work: UInt64
    /// Incentive tokens earned.
    public let amount: Amount
}
