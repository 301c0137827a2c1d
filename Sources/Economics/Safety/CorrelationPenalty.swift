public import Primitives

/// A penalty that grows with how much bond was at fault in the same window: one mistake is cheap,
/// a common one or a conspiracy is not.
///
/// Source: ethereum/consensus-specs, specs/phase0/beacon-chain.md, `process_slashings`:
/// `bond / increment * min(faulty * multiplier, total) / total * increment`, each division rounded
/// down (multiplier 1 in phase0, 2 in Altair, 3 since Bellatrix; increment 10^9).
public struct CorrelationPenalty: Hashable, Sendable {
    /// At one part in so many of all bonds at fault, everything is lost.
    public var multiplier: UInt32
    /// Bonds count in whole multiples of this; above zero.
    public var increment: UInt128

    /// A rule; the house counts in units.
    public init(multiplier: UInt32 = 3, increment: UInt128 = 1) {
        precondition(increment > 0)
        self.multiplier = multiplier
        self.increment = increment
    }

    /// What a bond loses when `faulty` of all bonds, which sum to `total`, are at fault.
    public func penalty(
        bond: Amount, faulty: Amount, total: Amount
    ) throws(EconomicsError) -> Amount {
        if total.isZero { throw .nothingToDivideBy }
        let product = faulty.units.multipliedFullWidth(by: UInt128(multiplier))
        let adjusted = product.high == 0 ? min(product.low, total.units) : total.units
        guard
            let parts = Amount(bond.units / increment).scaled(
                by: adjusted, over: total.units, rounding: .down),
            let penalty = parts.scaled(by: increment, over: 1, rounding: .down)
        else { throw .overflow }
        return penalty
    }
}
