public import Primitives

/// Burn-and-mint equilibrium with a vault: tokens go in at the oracle's price and stable credits
/// come out, and the other way round, while the vault covers the credits.
///
/// Source: akash-network/node, x/bme/keeper/keeper.go: `prepareToBM` (amounts and spread),
/// `calculateCR`, `mintStatusUpdate` (breaker) and `calculateBlocksDiff` (back-off). Prices have 18
/// places; the ratio of two prices is rounded to the nearest, amounts are cut off.
public struct CollateralVault: Hashable, Sendable {
    /// Which way an exchange goes.
    public enum Direction: Hashable, Sendable {
        /// Tokens are burned, credits minted.
        case mint
        /// Credits are burned, tokens minted.
        case settle
    }

    /// Whether the vault works.
    public enum Health: UInt8, Hashable, Sendable {
        /// The vault covers the credits well.
        case healthy = 1
        /// Covered, but less than the warning threshold.
        case warning = 2
        /// The breaker is open: no credits are minted, they can still be settled.
        case haltedByRatio = 3
        /// No price: nothing is exchanged.
        case haltedByOracle = 4
    }

    /// What of the minted credits stays in the vault, in ten-thousandths.
    public var mintSpread: UInt32 = 0
    /// What of the minted tokens stays in the vault, in ten-thousandths.
    public var settleSpread: UInt32 = 0
    /// The least credits a mint gives.
    public var leastMint = Amount.zero
    /// The least tokens a settlement gives.
    public var leastSettlement = Amount.zero
    /// At this collateral ratio and below the vault warns, in ten-thousandths.
    public var warnRatio: UInt32 = 9_500
    /// At this collateral ratio and below minting halts, in ten-thousandths.
    public var haltRatio: UInt32 = 9_000
    /// Blocks of an exchange epoch while the ratio is good.
    public var leastEpochBlocks: UInt64 = 10
    /// What an epoch grows by, in per cent, for each ten-thousandths ten that the ratio is below
    /// the warning threshold.
    public var backoffPercent: UInt64 = 10

    /// The longest epoch: a day of blocks of six seconds.
    public static let mostEpochBlocks: UInt64 = 14_400

    /// A vault without spread and minimum, with the source's thresholds.
    public init() {}

    /// What burning gives: `minted` in all, of which `spread` stays in the vault and the rest is
    /// paid out. Prices are of one unit, times 10^18.
    public func exchange(
        _ burned: Amount, _ direction: Direction, priceOfBurned: UInt128, priceOfMinted: UInt128
    ) throws(EconomicsError) -> (minted: Amount, spread: Amount) {
        let ratio = try CollateralVault.ratio(priceOfBurned, priceOfMinted)
        guard
            let minted = burned.scaled(by: ratio, over: Decimal18.scale, rounding: .down)
        else { throw .overflow }
        let least = direction == .mint ? leastMint : leastSettlement
        if minted.isZero || minted < least { throw .tooSmall }
        // The spread is of the sum before it is cut off.
        let points = direction == .mint ? mintSpread : settleSpread
        guard let parts = UInt256(burned.units, times: ratio).multiplied(by: UInt128(points)),
            let spread = parts.nearestQuotient(dividingBy: 10_000)
        else { throw .overflow }
        return (minted, Amount(spread.dividing(by: Decimal18.scale).quotient.low))
    }

    /// What the vault is worth for each credit, in ten-thousandths, cut off and at most 2^32 - 1:
    /// `(vault - pending) * token price / credit price / outstanding`. Without outstanding credits
    /// it is not divided.
    public func collateralRatio(
        vault: Amount, pending: Amount, tokenPrice: UInt128, creditPrice: UInt128,
        outstanding: Amount
    ) throws(EconomicsError) -> UInt32 {
        guard let free = vault.checkedSubtracting(pending) else { throw .insufficient }
        let ratio = try CollateralVault.ratio(tokenPrice, creditPrice)
        var worth = UInt256(free.units, times: ratio)
        if !outstanding.isZero {
            guard let raised = worth.multiplied(by: Decimal18.scale) else { throw .overflow }
            let places36 = raised.dividing(by: outstanding.units).quotient
            guard let places18 = places36.nearestQuotient(dividingBy: Decimal18.scale) else {
                throw .overflow
            }
            worth = places18
        }
        guard let parts = worth.multiplied(by: 10_000) else { throw .overflow }
        let points = parts.dividing(by: Decimal18.scale).quotient
        return points.high == 0 ? UInt32(clamping: points.low) : .max
    }

    /// The state of the breaker after a look at the ratio; `nil` when there was no price. An open
    /// breaker stays open when the price is lost.
    public func health(after last: Health, ratio: UInt32?) -> Health {
        guard let ratio else { return last == .haltedByRatio ? last : .haltedByOracle }
        if ratio > warnRatio { return .healthy }
        return ratio > haltRatio ? .warning : .haltedByRatio
    }

    /// Whether an exchange is taken in this state.
    public func allows(_ direction: Direction, in health: Health) -> Bool {
        switch health {
        case .healthy, .warning: true
        case .haltedByRatio: direction == .settle
        case .haltedByOracle: false
        }
    }

    /// Blocks of an exchange epoch at this ratio: `least * (1 + backoff)^steps`, cut off, a step
    /// for each ten ten-thousandths below the warning threshold, and at most a day.
    public func epochBlocks(ratio: UInt32) -> UInt64 {
        let steps = UInt64(warnRatio - min(warnRatio, ratio)) / 10
        if steps == 0 || backoffPercent == 0 { return leastEpochBlocks }
        let most = max(CollateralVault.mostEpochBlocks, leastEpochBlocks)
        // What does not fit 128 bits is far over the most.
        guard let hundred = Decimal18(100), let grown = Decimal18(100 + UInt128(backoffPercent)),
            let base = grown.over(hundred), let factor = base.power(steps),
            let least = Decimal18(UInt128(leastEpochBlocks)), let blocks = least.times(factor)
        else { return most }
        return max(min(UInt64(clamping: blocks.truncated), most), leastEpochBlocks)
    }

    private static func ratio(_ from: UInt128, _ to: UInt128) throws(EconomicsError) -> UInt128 {
        guard from > 0, to > 0 else { throw .nothingToDivideBy }
        guard let from = Int128(exactly: from), let to = Int128(exactly: to),
            let ratio = Decimal18(units: from).over(Decimal18(units: to))
        else { throw .overflow }
        return ratio.units.magnitude
    }
}
