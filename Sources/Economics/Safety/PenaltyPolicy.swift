public import Primitives

/// What a rung of the ladder takes from a bond: one rule by name, all called alike.
public enum PenaltyPolicy: Hashable, Sendable {
    /// The rung's own part: this house.
    case ladder
    /// That, or what the faults of the same window make it, if that is more.
    case correlated(CorrelationPenalty)

    /// The rule's name in parameter files.
    public var name: String {
        switch self {
        case .ladder: "ladder"
        case .correlated: "correlated"
        }
    }

    /// What `bond` loses when `faulty` of all bonds, which sum to `total`, are at fault in the same
    /// window. A rung that takes no bond takes none under either rule, so that common bad luck
    /// (statistics, a dead link) is never a common loss.
    public func penalty(
        _ rung: Rung, bond: Amount, faulty: Amount, total: Amount
    ) throws(EconomicsError) -> Amount {
        let own = SlashPolicy.penalty(rung, bond: bond)
        switch self {
        case .ladder: return own
        case .correlated(let rule):
            if rung.basisPoints == 0 { return own }
            return max(own, try rule.penalty(bond: bond, faulty: faulty, total: total))
        }
    }
}
