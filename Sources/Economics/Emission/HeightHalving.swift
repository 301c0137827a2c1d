public import Primitives

/// Halving by height: the first emission, halved (rounded down) every so many epochs, and nothing
/// from the 64th halving on if it was of 64 bits.
///
/// Source: bitcoin/bitcoin, src/validation.cpp, `GetBlockSubsidy`: `50e8 >> (height / 210000)`. A
/// height counts from 0, an epoch from 1.
public struct HeightHalving: Hashable, Sendable {
    /// What the first epoch emits.
    public var initial: Amount
    /// After so many epochs the emission halves.
    public var interval: UInt64

    /// A schedule.
    public init(initial: Amount, interval: UInt64) {
        self.initial = initial
        self.interval = interval
    }

    /// What an epoch emits: `initial >> ((epoch - 1) / interval)`.
    public func emission(epoch: UInt64) -> Amount {
        precondition(epoch > 0, "epochs count from one")
        let halvings = (epoch - 1) / interval
        return halvings >= 128 ? .zero : Amount(initial.units >> halvings)
    }
}

extension HeightHalving: EmissionRule {
    static var name: String { "height_halving" }
    static var keys: [PolicyKey] { [PolicyKey("initial", .tokens), PolicyKey("interval")] }
    var values: [UInt128] { [initial.units, UInt128(interval)] }

    init(values: [UInt128]) {
        self.init(initial: Amount(values[0]), interval: UInt64(clamping: values[1]))
    }

    var problem: String? {
        if interval == 0 { return "the emission must halve some time" }
        return EmissionLimits.problem(of: initial)
    }
}
