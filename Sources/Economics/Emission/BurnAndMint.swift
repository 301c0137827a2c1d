public import Primitives

/// Burn-and-mint equilibrium: buyers burn tokens for what a job costs in dollars, and the network
/// mints on a schedule that knows nothing of the burning. The price finds the level where the two
/// are equal.
///
/// Source: Render Network, rendernetwork/RNPs, RNP-001 (the mint of an epoch is independent of what
/// is burned; a launch stage, then damping by 0.945 a year) and RNP-006 (first year, 5 % fee). The
/// amounts of later launch years are in a spreadsheet that is not public text, so the launch stage
/// repeats the first year here.
public struct BurnAndMint: Hashable, Sendable {
    /// What the first year mints.
    public var firstYear: Amount
    /// Epochs in a year; an epoch mints an equal part of its year, rounded down.
    public var epochsPerYear: UInt64
    /// Years that mint what the first one does.
    public var launchYears: UInt64
    /// What each later year mints of the year before, in millionths.
    public var dampingPerMillion: UInt32

    /// A rule.
    public init(
        firstYear: Amount, epochsPerYear: UInt64, launchYears: UInt64, dampingPerMillion: UInt32
    ) {
        self.firstYear = firstYear
        self.epochsPerYear = epochsPerYear
        self.launchYears = launchYears
        self.dampingPerMillion = dampingPerMillion
    }

    /// What an epoch (from 1) mints. O(years since the launch stage, until nothing is left).
    public func emission(epoch: UInt64) -> Amount {
        precondition(epoch > 0, "epochs count from one")
        let year = (epoch - 1) / epochsPerYear + 1
        var yearly = firstYear
        var damped = launchYears
        while damped < year {
            let less = Amount(yearly.units * UInt128(dampingPerMillion) / 1_000_000)
            if less == yearly { break }
            yearly = less
            damped += 1
        }
        return Amount(yearly.units / UInt128(epochsPerYear))
    }

    /// The tokens that are worth `dollars` at `price` dollar units a whole token, rounded up: a job
    /// is never had for less than its price. `tokenUnits` are the units of a whole token.
    public static func tokens(
        worth dollars: Amount, price: Amount, tokenUnits: UInt128
    ) throws(EconomicsError) -> Amount {
        if price.isZero { throw .nothingToDivideBy }
        guard let tokens = dollars.scaled(by: tokenUnits, over: price.units, rounding: .up) else {
            throw .overflow
        }
        return tokens
    }

    /// A payment's fee, rounded down, and the rest of it, which is burned.
    public static func divide(
        payment: Amount, feeBasisPoints: UInt32
    ) -> (fee: Amount, burned: Amount) {
        let fee = payment.share(basisPoints: feeBasisPoints, rounding: .down)
        return (fee, payment - fee)
    }
}

extension BurnAndMint: EmissionRule {
    static var name: String { "burn_and_mint" }
    static var keys: [PolicyKey] {
        [
            PolicyKey("first_year", .tokens), PolicyKey("epochs_per_year"),
            PolicyKey("launch_years"), PolicyKey("damping_per_million"),
        ]
    }
    var values: [UInt128] {
        [firstYear.units, UInt128(epochsPerYear), UInt128(launchYears), UInt128(dampingPerMillion)]
    }

    init(values: [UInt128]) {
        self.init(
            firstYear: Amount(values[0]), epochsPerYear: UInt64(clamping: values[1]),
            launchYears: UInt64(clamping: values[2]),
            dampingPerMillion: UInt32(clamping: values[3]))
    }

    var problem: String? {
        if epochsPerYear == 0 { return "a year has epochs" }
        if dampingPerMillion > 1_000_000 { return "the damping is over one" }
        return EmissionLimits.problem(of: firstYear)
    }
}
