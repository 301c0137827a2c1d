/// Which way a division that does not come out even is rounded. Each money rule names its own.
public enum Rounding: Sendable {
    /// Toward zero.
    case down
    /// Away from zero.
    case up
}

/// A sum of one asset in the ledger's scale, which is finer than the chain's: a token can cost
/// less than one micro-dollar. The asset itself is known from the account or field it stands in.
///
/// Sums never wrap: the operators trap on overflow (a programmer's error), the `checked` methods
/// return `nil` (a stranger's input).
public struct Amount: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number of ledger units.
    public let units: UInt128

    /// An amount of `units` ledger units.
    @inlinable
    public init(_ units: UInt128) {
        self.units = units
    }

    /// Nothing.
    public static let zero = Amount(0)

    /// Whether there is nothing.
    @inlinable
    public var isZero: Bool { units == 0 }

    @inlinable
    public static func < (left: Amount, right: Amount) -> Bool { left.units < right.units }

    @inlinable
    public static func + (left: Amount, right: Amount) -> Amount {
        Amount(left.units + right.units)
    }

    @inlinable
    public static func - (left: Amount, right: Amount) -> Amount {
        Amount(left.units - right.units)
    }

    @inlinable
    public static func += (left: inout Amount, right: Amount) { left = left + right }

    @inlinable
    public static func -= (left: inout Amount, right: Amount) { left = left - right }

    /// The sum, or `nil` if it does not fit 128 bits.
    @inlinable
    public func checkedAdding(_ other: Amount) -> Amount? {
        let (sum, overflow) = units.addingReportingOverflow(other.units)
        return overflow ? nil : Amount(sum)
    }

    /// The difference, or `nil` if it would be negative.
    @inlinable
    public func checkedSubtracting(_ other: Amount) -> Amount? {
        units < other.units ? nil : Amount(units - other.units)
    }

    /// `self * numerator / denominator` with a 256-bit product, or `nil` if the result does not
    /// fit or the denominator is zero.
    public func scaled(
        by numerator: UInt128, over denominator: UInt128, rounding: Rounding
    ) -> Amount? {
        guard denominator != 0 else { return nil }
        if units >> 64 == 0, numerator >> 64 == 0, denominator >> 64 == 0 {
            // One division of the processor, where the quotient has 64 bits too.
            let divisor = UInt64(truncatingIfNeeded: denominator)
            let product = UInt64(truncatingIfNeeded: units)
                .multipliedFullWidth(by: UInt64(truncatingIfNeeded: numerator))
            if product.high < divisor {
                let (quotient, remainder) = divisor.dividingFullWidth(product)
                return Amount(UInt128(quotient) + (rounding == .up && remainder != 0 ? 1 : 0))
            }
        }
        let product = units.multipliedFullWidth(by: numerator)
        guard product.high < denominator else { return nil }
        let (quotient, remainder) = denominator.dividingFullWidth(product)
        guard rounding == .up, remainder != 0 else { return Amount(quotient) }
        let (raised, overflow) = quotient.addingReportingOverflow(1)
        return overflow ? nil : Amount(raised)
    }

    /// The part of this amount that is `basisPoints` ten-thousandths of it; at most the whole.
    public func share(basisPoints: UInt32, rounding: Rounding) -> Amount {
        precondition(basisPoints <= 10_000, "a share is at most the whole")
        let share = scaled(by: UInt128(basisPoints), over: 10_000, rounding: rounding)
        guard let share else { preconditionFailure("a share of at most one cannot overflow") }
        return share
    }
}

extension Amount: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(units)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.readUInt128())
    }
}

extension Amount: CustomStringConvertible {
    public var description: String { String(units) }
}
