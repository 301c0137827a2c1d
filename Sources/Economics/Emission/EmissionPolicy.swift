public import Primitives

/// How many incentive tokens an epoch emits: one of the field's rules, by name and numbers.
///
/// All are called alike (`advance`), are pure functions of what they are told and what they
/// remember, and round toward minting less. Production and simulator run the same code; the
/// formulas with their sources are in docs/reference/economics.md.
public enum EmissionPolicy: Hashable, Sendable {
    /// Halved every so many epochs: Bitcoin, and this house by default.
    case heightHalving(HeightHalving)
    /// Halved whenever half of what was left is issued: Bittensor.
    case issuanceHalving(IssuanceHalving)
    /// Inflation that moves a step toward a bonding target: Livepeer.
    case bondedStep(BondedStep)
    /// Inflation that moves with the distance from a bonding goal: Cosmos.
    case bondedProportional(BondedProportional)
    /// Decay in time and decay in work against a growing baseline: Filecoin.
    case baselineMinting(BaselineMinting)
    /// A halving schedule plus what was burned, from a pool: Helium.
    case netEmissions(NetEmissions)
    /// A yearly schedule with damping beside burned payments: Render.
    case burnAndMint(BurnAndMint)

    /// What `observation`'s epoch emits; `state` moves on. On an error it stays as it was.
    ///
    /// A state of another policy is replaced by this one's first, so a house can change its policy
    /// at any epoch. O(1), but for `baselineMinting`, which is O(epochs the baseline moves on).
    public func advance(
        _ state: inout EmissionState, by observation: EmissionObservation
    ) throws(EconomicsError) -> Amount {
        guard observation.epoch > 0 else { throw .invalid("epoch") }
        switch self {
        case .heightHalving(let rule): return rule.emission(epoch: observation.epoch)
        case .issuanceHalving(let rule): return rule.emission(issued: observation.issued)
        case .bondedStep(let rule): return try rule.advance(&state, by: observation)
        case .bondedProportional(let rule): return try rule.advance(&state, by: observation)
        case .baselineMinting(let rule): return try rule.advance(&state, by: observation)
        case .netEmissions(let rule): return try rule.advance(&state, by: observation)
        case .burnAndMint(let rule): return rule.emission(epoch: observation.epoch)
        }
    }

    /// Why these numbers cannot be used, or `nil` when they can.
    public var problem: String? { rule.problem }

    /// The policy's name in parameter files.
    public var name: String { type(of: rule).name }

    /// The policy's parameters by name, in the order of the canonical bytes.
    public var fields: [PolicyField] {
        zip(type(of: rule).keys, rule.values).map { PolicyField(key: $0, value: $1) }
    }

    /// Off the hot path: names and numbers are for files, bytes and checks.
    private var rule: any EmissionRule {
        switch self {
        case .heightHalving(let rule): rule
        case .issuanceHalving(let rule): rule
        case .bondedStep(let rule): rule
        case .bondedProportional(let rule): rule
        case .baselineMinting(let rule): rule
        case .netEmissions(let rule): rule
        case .burnAndMint(let rule): rule
        }
    }
}

extension EmissionPolicy {
    /// The work that earns emission: token-layers, but no more than the fee paid for them backs.
    /// Work without a fee would let anybody farm the emission by serving himself.
    public static func backed(work: UInt64, fee: Amount, parameters: Parameters) -> UInt64 {
        let most = fee.units / UInt128(parameters.feeUnitsPerWork)
        return min(work, UInt64(clamping: most))
    }
}
