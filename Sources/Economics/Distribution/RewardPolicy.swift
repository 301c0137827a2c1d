public import Primitives

/// What one party did in an epoch.
public struct Contribution: Hashable, Sendable {
    /// Verified work, in token-layers.
    public var work: UInt64
    /// How good it was, in millionths; 1,000,000 is what the market expects.
    public var quality: UInt32
    /// What buyers burned or paid for it, in ledger units.
    public var paid: Amount

    /// A contribution of ordinary quality.
    public init(work: UInt64, quality: UInt32 = 1_000_000, paid: Amount = .zero) {
        self.work = work
        self.quality = quality
        self.paid = paid
    }
}

/// What an epoch's emission is divided by: one rule by name, all called alike.
public enum RewardPolicy: CaseIterable, Hashable, Sendable {
    /// Verified work: this house.
    case work
    /// Verified work times quality.
    case workTimesQuality
    /// What was burned in the party's name: Render (RNP-001), Helium.
    case paid

    /// The rule's name in parameter files.
    public var name: String {
        switch self {
        case .work: "work"
        case .workTimesQuality: "work_times_quality"
        case .paid: "paid"
        }
    }

    /// The weight of a contribution. Amounts over 2^100 units count as that.
    public func weight(of contribution: Contribution) -> UInt128 {
        switch self {
        case .work: UInt128(contribution.work)
        case .workTimesQuality: UInt128(contribution.work) * UInt128(contribution.quality)
        case .paid: min(contribution.paid, EmissionLimits.amount).units
        }
    }

    /// Each contribution's share of `total`, rounded down, and what rounding leaves. O(n), for at
    /// most 2^27 contributions.
    public func split(
        _ total: Amount, among contributions: [Contribution]
    ) -> (shares: [Amount], rest: Amount) {
        ProRata.split(total, weights: contributions.map(weight))
    }
}

/// How one party's reward is divided between who owns the service, who verifies it and who staked
/// on it.
///
/// Source: Bittensor divides what a subnet earns into an owner's cut of 11,796/65,535 and two
/// halves for miners and validators (opentensor/subtensor, coinbase/run_coinbase.rs); Cosmos takes
/// a validator's commission first and gives delegators the rest (x/distribution). Cuts are rounded
/// down and the last party has what is left, so the three are the whole to the unit.
public struct RewardShares: Hashable, Sendable {
    /// The owner's part, in 65,535ths.
    public var owner: UInt16
    /// The validators' part of what is left after the owner, in 65,535ths.
    public var validator: UInt16

    /// One, in the parts above.
    public static let one: UInt128 = 65_535

    /// Parts in 65,535ths.
    public init(owner: UInt16, validator: UInt16) {
        self.owner = owner
        self.validator = validator
    }

    /// The three parts of a reward.
    public func divide(
        _ reward: Amount
    ) -> (owner: Amount, validator: Amount, delegators: Amount) {
        let forOwner = part(owner, of: reward)
        let forValidator = part(validator, of: reward - forOwner)
        return (forOwner, forValidator, reward - forOwner - forValidator)
    }

    private func part(_ parts: UInt16, of amount: Amount) -> Amount {
        let share = amount.scaled(by: UInt128(parts), over: RewardShares.one, rounding: .down)
        guard let share else { preconditionFailure("a share of at most one cannot overflow") }
        return share
    }
}
