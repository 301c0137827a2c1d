/// A signed decimal number with 18 places that rounds as the Cosmos SDK's `LegacyDec` does: a
/// product or quotient to the nearest, and from the middle to the even one.
///
/// Source: cosmos/cosmos-sdk, math/legacy_dec.go (`Mul`, `Quo`, `chopPrecisionAndRound`). Numbers
/// of up to 128 bits; beyond that, nil.
struct Decimal18: Hashable, Comparable, Sendable {
    /// The number times 10^18.
    let units: Int128

    static let scale: UInt128 = 1_000_000_000_000_000_000
    static let one = Decimal18(units: Int128(scale))

    init(units: Int128) {
        self.units = units
    }

    /// A whole number.
    init?(_ whole: UInt128) {
        let (product, overflow) = whole.multipliedReportingOverflow(by: Decimal18.scale)
        guard !overflow, let units = Int128(exactly: product) else { return nil }
        self.init(units: units)
    }

    static func < (left: Decimal18, right: Decimal18) -> Bool { left.units < right.units }

    /// The whole part, of a number that is not negative.
    var truncated: UInt128 { units.magnitude / Decimal18.scale }

    func adding(_ other: Decimal18) -> Decimal18? {
        let (sum, overflow) = units.addingReportingOverflow(other.units)
        return overflow ? nil : Decimal18(units: sum)
    }

    func subtracting(_ other: Decimal18) -> Decimal18? {
        let (difference, overflow) = units.subtractingReportingOverflow(other.units)
        return overflow ? nil : Decimal18(units: difference)
    }

    func times(_ other: Decimal18) -> Decimal18? {
        let product = UInt256(units.magnitude, times: other.units.magnitude)
        return Decimal18(places36: product, isNegative: (units < 0) != (other.units < 0))
    }

    /// The quotient: first with 36 places, cut off, and then rounded to 18, as the source does it.
    func over(_ other: Decimal18) -> Decimal18? {
        let divisor = other.units.magnitude
        guard divisor != 0,
            let raised = UInt256(units.magnitude, times: Decimal18.scale)
                .multiplied(by: Decimal18.scale)
        else { return nil }
        let quotient = raised.dividing(by: divisor).quotient
        return Decimal18(places36: quotient, isNegative: (units < 0) != (other.units < 0))
    }

    /// The power, by squaring, in the source's order of multiplications.
    func power(_ exponent: UInt64) -> Decimal18? {
        if exponent == 0 { return .one }
        var square = self
        var odd = Decimal18.one
        var left = exponent
        while left > 1 {
            if left % 2 != 0 {
                guard let product = odd.times(square) else { return nil }
                odd = product
            }
            left /= 2
            guard let product = square.times(square) else { return nil }
            square = product
        }
        return square.times(odd)
    }

    /// Rounds a number with 36 places.
    private init?(places36: UInt256, isNegative: Bool) {
        guard let rounded = places36.nearestQuotient(dividingBy: Decimal18.scale),
            rounded.high == 0, let units = Int128(exactly: rounded.low)
        else { return nil }
        self.init(units: isNegative ? -units : units)
    }
}
