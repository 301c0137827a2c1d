/// An unsigned number of 256 bits: products of two amounts, sums of rewards by share. Only what the
/// rules need; every operation either is exact or says nil.
struct UInt256: Hashable, Comparable, Sendable {
    let high: UInt128
    let low: UInt128

    init(high: UInt128 = 0, low: UInt128) {
        self.high = high
        self.low = low
    }

    /// The product, which always fits.
    init(_ left: UInt128, times right: UInt128) {
        let product = left.multipliedFullWidth(by: right)
        self.init(high: product.high, low: product.low)
    }

    static func < (left: UInt256, right: UInt256) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }

    func adding(_ other: UInt256) -> UInt256? {
        let (sum, carry) = low.addingReportingOverflow(other.low)
        let (upper, over) = high.addingReportingOverflow(other.high)
        let (whole, overAgain) = upper.addingReportingOverflow(carry ? 1 : 0)
        return over || overAgain ? nil : UInt256(high: whole, low: sum)
    }

    func subtracting(_ other: UInt256) -> UInt256? {
        if self < other { return nil }
        let (difference, borrow) = low.subtractingReportingOverflow(other.low)
        return UInt256(high: high - other.high - (borrow ? 1 : 0), low: difference)
    }

    func multiplied(by factor: UInt128) -> UInt256? {
        let (upper, overflow) = high.multipliedReportingOverflow(by: factor)
        return overflow ? nil : UInt256(low, times: factor).adding(UInt256(high: upper, low: 0))
    }

    /// `self * fraction / 2^128`, rounded down; never more than `self`.
    func scaled(byFraction fraction: UInt128) -> UInt256 {
        let upper = UInt256(high, times: fraction)
        let lower = low.multipliedFullWidth(by: fraction).high
        guard let sum = upper.adding(UInt256(low: lower)) else {
            preconditionFailure("a part is no more than the whole")
        }
        return sum
    }

    /// Quotient, rounded down, and remainder.
    func dividing(by divisor: UInt128) -> (quotient: UInt256, remainder: UInt128) {
        let (upper, rest) = high.quotientAndRemainder(dividingBy: divisor)
        let (lower, remainder) = divisor.dividingFullWidth((rest, low))
        return (UInt256(high: upper, low: lower), remainder)
    }

    /// Quotient, rounded to the nearest, from the middle to the even one.
    func nearestQuotient(dividingBy divisor: UInt128) -> UInt256? {
        let (quotient, rest) = dividing(by: divisor)
        let missing = divisor - rest
        if rest < missing || (rest == missing && quotient.low % 2 == 0) { return quotient }
        return quotient.adding(UInt256(low: 1))
    }

    /// `self / divisor` with 128 bits behind the point, rounded down: for `self <= divisor` and a
    /// divisor of at most 255 bits. 128 steps.
    func fraction(of divisor: UInt256) -> UInt256 {
        precondition(self <= divisor && divisor.high >> 127 == 0 && divisor.high | divisor.low != 0)
        if self == divisor { return UInt256(high: 1, low: 0) }
        var rest = self
        var bits: UInt128 = 0
        for _ in 0..<128 {
            rest = UInt256(high: rest.high << 1 | rest.low >> 127, low: rest.low << 1)
            bits <<= 1
            if let less = rest.subtracting(divisor) {
                rest = less
                bits |= 1
            }
        }
        return UInt256(low: bits)
    }

    /// The integer square root, rounded down. 128 steps.
    var squareRoot: UInt128 {
        var root: UInt128 = 0
        var bit: UInt128 = 1 << 127
        while bit != 0 {
            let candidate = root | bit
            if UInt256(candidate, times: candidate) <= self { root = candidate }
            bit >>= 1
        }
        return root
    }
}
