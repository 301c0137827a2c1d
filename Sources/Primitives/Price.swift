/// What one million tokens cost, in the ledger units of the pricing asset.
///
/// The field quotes prices per million tokens; with a dollar at 10^12 ledger units, one unit here
/// is 10^-12 dollars per million tokens.
public struct Price: Hashable, Comparable, Sendable {
    /// Ledger units per 1,000,000 tokens.
    public let perMillion: UInt64

    /// A price of `perMillion` ledger units for one million tokens.
    public init(perMillion: UInt64) {
        self.perMillion = perMillion
    }

    /// Free.
    public static let zero = Price(perMillion: 0)

    public static func < (left: Price, right: Price) -> Bool { left.perMillion < right.perMillion }

    /// The cost of `tokens` tokens, rounded up to a whole unit: a token is never free by rounding.
    /// A 64-bit count times a 64-bit price always fits.
    public func cost(tokens: UInt64) -> Amount {
        let (short, overflow) = perMillion.multipliedReportingOverflow(by: tokens)
        if !overflow {
            return Amount(UInt128(short / 1_000_000 + (short % 1_000_000 == 0 ? 0 : 1)))
        }
        let product = UInt128(perMillion) * UInt128(tokens)
        return Amount(product / 1_000_000 + (product % 1_000_000 == 0 ? 0 : 1))
    }
}

extension Price: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(perMillion)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(perMillion: try reader.readUInt64())
    }
}
