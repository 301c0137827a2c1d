public import Primitives

/// Halving by issuance: the emission halves whenever half of what was left of the cap is issued.
///
/// Source: opentensor/subtensor, pallets/subtensor/src/coinbase/block_emission.rs,
/// `get_block_emission_for_issuance`: `floor(initial / 2^k)`, `k = floor(log2(1 / (1 - I/cap)))`,
/// 0 from the cap on. Here without a logarithm: the largest `k` with `(cap - I) * 2^k <= cap`.
public struct IssuanceHalving: Hashable, Sendable {
    /// What an epoch emits while less than half of the cap is issued.
    public var initial: Amount
    /// No more than this is ever issued.
    public var cap: Amount

    /// A schedule.
    public init(initial: Amount, cap: Amount) {
        self.initial = initial
        self.cap = cap
    }

    /// What an epoch emits after `issued`, rounded down. O(number of halvings).
    ///
    /// The source may overshoot its cap by part of an epoch; here the rest of the cap is the limit.
    public func emission(issued: Amount) -> Amount {
        guard let left = cap.checkedSubtracting(issued), !left.isZero else { return .zero }
        var halvings: UInt128 = 0
        while halvings < 128, left.units <= cap.units >> (halvings + 1) { halvings += 1 }
        return min(halvings >= 128 ? .zero : Amount(initial.units >> halvings), left)
    }
}

extension IssuanceHalving: EmissionRule {
    static var name: String { "issuance_halving" }
    static var keys: [PolicyKey] { [PolicyKey("initial", .tokens), PolicyKey("cap", .tokens)] }
    var values: [UInt128] { [initial.units, cap.units] }

    init(values: [UInt128]) {
        self.init(initial: Amount(values[0]), cap: Amount(values[1]))
    }

    var problem: String? { EmissionLimits.problem(of: initial, cap) }
}
