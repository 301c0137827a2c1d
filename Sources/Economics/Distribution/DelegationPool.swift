public import Primitives

/// Rewards for many stakes without touching each: what a share has earned since the beginning is
/// one number, and a delegation remembers where it stood when it came.
///
/// Source: Dev Ojha, "F1 Fee Distribution" (Tokenomics 2019), as in cosmos/cosmos-sdk,
/// x/distribution/keeper/delegation.go. There a slash ends a period and each delegation walks the
/// slashes since it began; here stake is held in shares of the pool, as x/staking does, so a slash
/// is one change of what a share is worth and no walk is left. Every operation is O(1).
///
/// What a share has earned is cut off at 2^-128 of a unit whenever shares change. Before a payment
/// is cut off to units, 2^-112 is added back for each share, so that what comes out even is paid in
/// full after up to 65,535 changes. Payments never exceed what is held, and what rounding leaves
/// stays in the pool: `rewardsHeld` is what came in less what was paid, to the unit.
public struct DelegationPool: Hashable, Sendable {
    /// The stake of all delegations.
    public private(set) var stake = Amount.zero
    /// The shares of all delegations.
    public private(set) var shares: UInt128 = 0
    /// Rewards that came in and were not paid yet, with what rounding left of those that were.
    public private(set) var rewardsHeld = Amount.zero

    /// What one share has earned since the beginning, times 2^128.
    private var earned = UInt256(low: 0)
    /// What dividing by the shares left, in reward units times 2^128 a share.
    private var remainder: UInt128 = 0

    /// One delegator's part of a pool; belongs to the pool that gave it.
    public struct Delegation: Hashable, Sendable {
        /// Its shares of the pool.
        public let shares: UInt128
        let since: UInt256
    }

    /// An empty pool.
    public init() {}

    /// Adds a reward for those who are in the pool now.
    public mutating func allocate(_ reward: Amount) throws(EconomicsError) {
        if shares == 0 { throw .nothingToDivideBy }
        let (whole, rest) = reward.units.quotientAndRemainder(dividingBy: shares)
        let (part, left) = shares.dividingFullWidth((rest, remainder))
        guard let sum = earned.adding(UInt256(high: whole, low: part)),
            let held = rewardsHeld.checkedAdding(reward)
        else { throw .overflow }
        earned = sum
        remainder = left
        rewardsHeld = held
    }

    /// Takes stake in. Shares are rounded down, so who comes never takes from who is there.
    public mutating func delegate(_ amount: Amount) throws(EconomicsError) -> Delegation {
        var added = amount.units
        if shares != 0 {
            // All stake was slashed away: nobody can buy a share of nothing.
            if stake.isZero { throw .nothingToDivideBy }
            guard let part = amount.scaled(by: shares, over: stake.units, rounding: .down) else {
                throw .overflow
            }
            added = part.units
        }
        if added == 0 { throw .tooSmall }
        let (sum, overflow) = shares.addingReportingOverflow(added)
        guard !overflow, let all = stake.checkedAdding(amount) else { throw .overflow }
        shares = sum
        stake = all
        return Delegation(shares: added, since: earned)
    }

    /// What a delegation's stake is worth now, rounded down.
    public func stake(of delegation: Delegation) -> Amount {
        if shares == 0 { return .zero }
        guard
            let part = stake.scaled(by: delegation.shares, over: shares, rounding: .down)
        else { preconditionFailure("a part is no more than the whole") }
        return part
    }

    /// What a delegation has earned and not been paid, rounded down.
    public func reward(of delegation: Delegation) -> Amount {
        guard let since = earned.subtracting(delegation.since) else {
            preconditionFailure("a delegation of another pool")
        }
        if since == UInt256(low: 0) { return .zero }
        guard let part = since.adding(UInt256(low: 1 << 16)),
            let sum = part.multiplied(by: delegation.shares)
        else { return rewardsHeld }
        return min(Amount(sum.high), rewardsHeld)
    }

    /// Pays a delegation's reward; it goes on from here.
    public mutating func withdraw(
        _ delegation: Delegation
    ) -> (paid: Amount, delegation: Delegation) {
        let paid = reward(of: delegation)
        rewardsHeld -= paid
        return (paid, Delegation(shares: delegation.shares, since: earned))
    }

    /// Ends a delegation: pays its reward and gives back its stake. The last one to leave takes
    /// the stake that rounding left; rewards that it left stay held (`takeDust`).
    public mutating func undelegate(_ delegation: Delegation) -> (paid: Amount, stake: Amount) {
        let paid = reward(of: delegation)
        let back = stake(of: delegation)
        rewardsHeld -= paid
        stake -= back
        shares -= delegation.shares
        if shares == 0 { remainder = 0 }
        return (paid, back)
    }

    /// Takes a part of all stake, in millionths, rounded up in the pool's disfavour; gives what was
    /// taken. Rewards earned before are not touched.
    public mutating func slash(perMillion: UInt32) -> Amount {
        precondition(perMillion <= 1_000_000, "a slash takes at most everything")
        guard
            let taken = stake.scaled(by: UInt128(perMillion), over: 1_000_000, rounding: .up)
        else { preconditionFailure("a part is no more than the whole") }
        stake -= taken
        return taken
    }

    /// What rounding left of rewards, once nobody is in the pool: sum of payouts and dust is the
    /// sum of rewards. Nothing while somebody is in it.
    public mutating func takeDust() -> Amount {
        if shares != 0 { return .zero }
        let dust = rewardsHeld
        rewardsHeld = .zero
        return dust
    }
}

extension DelegationPool: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(stake)
        writer.write(shares)
        writer.write(rewardsHeld)
        writer.write(earned.high)
        writer.write(earned.low)
        writer.write(remainder)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        stake = try reader.read()
        shares = try reader.readUInt128()
        rewardsHeld = try reader.read()
        earned = UInt256(high: try reader.readUInt128(), low: try reader.readUInt128())
        remainder = try reader.readUInt128()
    }
}

extension DelegationPool.Delegation: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(shares)
        writer.write(since.high)
        writer.write(since.low)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        shares = try reader.readUInt128()
        since = UInt256(high: try reader.readUInt128(), low: try reader.readUInt128())
    }
}
