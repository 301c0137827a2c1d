/// Divides many numbers by the same one, with two multiplications instead of a division.
///
/// With r = floor((2^64 - 1) / d), the high word of x r is the quotient of x / d or one less, for
/// every x below 2^64 (Granlund and Montgomery: Division by invariant integers using
/// multiplication, 1994); what is left says which.
struct InvariantDivisor {
    private let divisor: UInt64
    private let reciprocal: UInt64

    /// A divisor above 0.
    init(_ divisor: UInt64) {
        self.divisor = divisor
        reciprocal = .max / divisor
    }

    /// The quotient, rounded down.
    @inline(__always)
    func quotient(of dividend: UInt64) -> UInt64 {
        let low = dividend.multipliedFullWidth(by: reciprocal).high
        return low &+ (dividend &- low &* divisor >= divisor ? 1 : 0)
    }
}
