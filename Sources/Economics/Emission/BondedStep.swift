public import Primitives

/// Bonded-ratio feedback by steps: inflation rises by a step while less than the target is bonded
/// and falls by a step while more is.
///
/// Source: livepeer/protocol, contracts/token/Minter.sol, `setInflation` and
/// `mintedTokens = supply * inflation / 10^9`; rates in parts of 10^9, each division rounded down.
public struct BondedStep: Hashable, Sendable {
    /// One, in the rates below.
    public static let one: UInt128 = 1_000_000_000

    /// Tokens there were before the first epoch: inflation of nothing is nothing.
    public var genesis: Amount
    /// Inflation before the first epoch.
    public var inflation: UInt128
    /// How far inflation moves in an epoch.
    public var change: UInt128
    /// The bonded share it seeks.
    public var target: UInt128

    /// A rule, with rates in parts of 10^9.
    public init(genesis: Amount, inflation: UInt128, change: UInt128, target: UInt128) {
        self.genesis = genesis
        self.inflation = inflation
        self.change = change
        self.target = target
    }

    /// The inflation after `inflation` in an epoch that ends with so much bonded. Nothing bondable
    /// counts as nothing bonded.
    public func next(
        _ inflation: UInt128, bonded: Amount, bondable: Amount
    ) throws(EconomicsError) -> UInt128 {
        let ratio =
            bondable.isZero
            ? .zero : bonded.scaled(by: BondedStep.one, over: bondable.units, rounding: .down)
        guard let ratio else { throw .overflow }
        if ratio.units < target {
            let (raised, overflow) = inflation.addingReportingOverflow(change)
            if overflow { throw .overflow }
            return raised
        }
        if ratio.units > target { return inflation - min(change, inflation) }
        return inflation
    }

    /// What an epoch of this inflation may mint, rounded down.
    public static func mintable(
        supply: Amount, inflation: UInt128
    ) throws(EconomicsError) -> Amount {
        guard let amount = supply.scaled(by: inflation, over: one, rounding: .down) else {
            throw .overflow
        }
        return amount
    }

    /// A transcoder's part of what is mintable: `mintable * (stake * 10^9 / total) / 10^9`, both
    /// divisions rounded down as the source does, so that a part in 10^9 may stay unminted.
    public static func reward(
        mintable: Amount, stake: Amount, total: Amount
    ) throws(EconomicsError) -> Amount {
        if total.isZero { throw .nothingToDivideBy }
        guard let share = stake.scaled(by: one, over: total.units, rounding: .down),
            let reward = mintable.scaled(by: share.units, over: one, rounding: .down)
        else { throw .overflow }
        return reward
    }

    func advance(
        _ state: inout EmissionState, by observation: EmissionObservation
    ) throws(EconomicsError) -> Amount {
        var last = inflation
        if case .inflation(let rate) = state { last = rate }
        let rate = try next(last, bonded: observation.bonded, bondable: observation.bondable)
        let supply = try EmissionLimits.supply(genesis, observation.issued)
        let amount = try BondedStep.mintable(supply: supply, inflation: min(rate, BondedStep.one))
        state = .inflation(min(rate, BondedStep.one))
        return amount
    }
}

extension BondedStep: EmissionRule {
    static var name: String { "bonded_step" }
    static var keys: [PolicyKey] {
        [
            PolicyKey("genesis", .tokens), PolicyKey("inflation_per_billion"),
            PolicyKey("change_per_billion"), PolicyKey("target_per_billion"),
        ]
    }
    var values: [UInt128] { [genesis.units, inflation, change, target] }

    init(values: [UInt128]) {
        self.init(
            genesis: Amount(values[0]), inflation: values[1], change: values[2], target: values[3])
    }

    var problem: String? {
        if max(inflation, change, target) > BondedStep.one { return "a rate is over one" }
        return EmissionLimits.problem(of: genesis)
    }
}
