/// What came of one round of claiming.
public struct ClaimRound: Hashable, Sendable {
    /// Claims sent: on Solana transactions.
    public var sent = 0
    /// Claims in the chain for good.
    public var settled = 0
    /// Why claims and transfers were refused or undone, in the chain's words.
    public var refused: [String] = []
    /// Claims and transfers that are on their way.
    public var open = 0

    /// Nothing yet.
    public init() {}
}
