public import Primitives

/// One rung of the ladder of penalties.
public enum Rung: UInt8, CaseIterable, Comparable, Hashable, Sendable {
    /// Noted, no money moves.
    case warn = 0
    /// The work in question is not paid.
    case withholdUnit = 1
    /// The party earns no emission this epoch.
    case loseEpochReward = 2
    /// One per cent of the bond.
    case onePercent = 3
    /// Five per cent of the bond.
    case fivePercent = 4
    /// The whole bond, and the party never serves again.
    case tombstone = 5

    /// The part of the bond this rung takes, in ten-thousandths.
    public var basisPoints: UInt32 {
        switch self {
        case .warn, .withholdUnit, .loseEpochReward: 0
        case .onePercent: 100
        case .fivePercent: 500
        case .tombstone: 10_000
        }
    }

    public static func < (left: Rung, right: Rung) -> Bool { left.rawValue < right.rawValue }
}

/// How a verdict's fault turns into a penalty and how a penalty is divided.
public enum SlashPolicy {
    /// The rung for a fault of this kind after `prior` earlier faults of the same class.
    ///
    /// Statistical and attestation faults never take a bond by themselves.
    public static func rung(code: FaultCode, prior: UInt32) -> Rung {
        switch code.faultClass {
        case .none: .warn
        case .liveness:
            code == .declined ? .warn : prior == 0 ? .withholdUnit : .loseEpochReward
        case .statistical, .attestation: .loseEpochReward
        case .objective:
            switch code {
            case .equivocation: .tombstone
            case .falseAccusation: prior == 0 ? .onePercent : .fivePercent
            default: prior == 0 ? .fivePercent : .tombstone
            }
        }
    }

    /// What a rung takes from a bond of this size, rounded up in the house's favour by at most one
    /// unit, and never more than is there.
    public static func penalty(_ rung: Rung, bond: Amount) -> Amount {
        bond.share(basisPoints: rung.basisPoints, rounding: .up)
    }

    /// How a penalty is divided: the verifier's bounty is `min(cost multiple, cap)` rounded down,
    /// at least half is burned (rounded up), the rest insures buyers.
    public static func divide(
        penalty: Amount, jobCost: Amount, parameters: Parameters
    ) -> (bounty: Amount, burned: Amount, insurance: Amount) {
        let burned = penalty.share(basisPoints: parameters.burnBasisPoints, rounding: .up)
        let cap = penalty.share(basisPoints: parameters.bountyCapBasisPoints, rounding: .down)
        let multiple = jobCost.scaled(
            by: UInt128(parameters.bountyCostMultiple), over: 1, rounding: .down)
        let bounty = min(multiple ?? cap, cap, penalty - burned)
        return (bounty, burned, penalty - burned - bounty)
    }
}
