public import Primitives

/// Bonded-ratio feedback in proportion: the yearly inflation moves by
/// `(1 - bonded/goal) * rate change / epochs a year` and stays between two bounds.
///
/// Source: cosmos/cosmos-sdk, x/mint/types/minter.go, `NextInflationRate`, `NextAnnualProvisions`
/// and `BlockProvision`. Rates have 18 decimal places and round to the nearest, from the middle to
/// the even one; the bonded ratio and the provision are cut off.
public struct BondedProportional: Hashable, Sendable {
    /// Tokens there were before the first epoch: inflation of nothing is nothing.
    public var genesis: Amount
    /// Yearly inflation before the first epoch, times 10^18, like all rates here.
    public var inflation: UInt128
    /// How far yearly inflation could move in a year with nothing bonded.
    public var rateChange: UInt128
    /// The least yearly inflation.
    public var least: UInt128
    /// The most yearly inflation.
    public var most: UInt128
    /// The bonded share it seeks.
    public var goal: UInt128
    /// Epochs in a year.
    public var epochsPerYear: UInt64

    /// A rule, with rates times 10^18.
    public init(
        genesis: Amount, inflation: UInt128, rateChange: UInt128, least: UInt128, most: UInt128,
        goal: UInt128, epochsPerYear: UInt64
    ) {
        self.genesis = genesis
        self.inflation = inflation
        self.rateChange = rateChange
        self.least = least
        self.most = most
        self.goal = goal
        self.epochsPerYear = epochsPerYear
    }

    /// The Cosmos Hub's defaults: 13 % a year, between 7 and 20 %, 67 % bonded, a block of 5 s.
    public static func cosmos(genesis: Amount) -> BondedProportional {
        let percent = Decimal18.scale / 100
        return BondedProportional(
            genesis: genesis, inflation: 13 * percent, rateChange: 13 * percent,
            least: 7 * percent, most: 20 * percent, goal: 67 * percent, epochsPerYear: 6_311_520)
    }

    /// The yearly inflation after `inflation` in an epoch with this bonded share (times 10^18).
    public func next(_ inflation: UInt128, bondedRatio: UInt128) throws(EconomicsError) -> UInt128 {
        guard let rate = Int128(exactly: inflation), let ratio = Int128(exactly: bondedRatio),
            let share = Decimal18(units: ratio).over(Decimal18(units: Int128(goal))),
            let distance = Decimal18.one.subtracting(share),
            let yearly = distance.times(Decimal18(units: Int128(rateChange))),
            let epochs = Decimal18(UInt128(epochsPerYear)), let change = yearly.over(epochs),
            let moved = Decimal18(units: rate).adding(change)
        else { throw .overflow }
        return min(max(moved < Decimal18(units: 0) ? 0 : moved.units.magnitude, least), most)
    }

    /// What one epoch mints at a yearly inflation: `supply * inflation / epochs a year`, cut off.
    public func provision(supply: Amount, inflation: UInt128) throws(EconomicsError) -> Amount {
        let epochs = UInt128(epochsPerYear) * Decimal18.scale
        guard let amount = supply.scaled(by: inflation, over: epochs, rounding: .down) else {
            throw .overflow
        }
        return amount
    }

    func advance(
        _ state: inout EmissionState, by observation: EmissionObservation
    ) throws(EconomicsError) -> Amount {
        var last = inflation
        if case .inflation(let rate) = state { last = rate }
        let ratio =
            observation.bondable.isZero
            ? .zero
            : observation.bonded.scaled(
                by: Decimal18.scale, over: observation.bondable.units, rounding: .down)
        guard let ratio else { throw .overflow }
        let supply = try EmissionLimits.supply(genesis, observation.issued)
        let rate = try next(last, bondedRatio: ratio.units)
        let amount = try provision(supply: supply, inflation: rate)
        state = .inflation(rate)
        return amount
    }
}

extension BondedProportional: EmissionRule {
    static var name: String { "bonded_proportional" }
    static var keys: [PolicyKey] {
        [
            PolicyKey("genesis", .tokens), PolicyKey("inflation_e18"),
            PolicyKey("rate_change_e18"), PolicyKey("least_e18"), PolicyKey("most_e18"),
            PolicyKey("goal_e18"), PolicyKey("epochs_per_year"),
        ]
    }
    var values: [UInt128] {
        [genesis.units, inflation, rateChange, least, most, goal, UInt128(epochsPerYear)]
    }

    init(values: [UInt128]) {
        self.init(
            genesis: Amount(values[0]), inflation: values[1], rateChange: values[2],
            least: values[3], most: values[4], goal: values[5],
            epochsPerYear: UInt64(clamping: values[6]))
    }

    var problem: String? {
        if max(inflation, rateChange, most, goal) > Decimal18.scale { return "a rate is over one" }
        if least > most { return "the least inflation is over the most" }
        if goal == 0 { return "the bonding goal is zero" }
        if epochsPerYear == 0 { return "a year has epochs" }
        if epochsPerYear > 1 << 32 { return "a year has too many epochs" }
        return EmissionLimits.problem(of: genesis)
    }
}
