/// What money is counted in. The raw value is the ledger number of the double-entry ledger, which
/// never lets accounts of different assets transact.
public enum Asset: UInt32, CaseIterable, Hashable, Comparable, Sendable {
    /// The dollar stable coin that prices work.
    case usd = 1
    /// The Tally, the network's incentive token.
    case tly = 2

    /// The code people see.
    public var code: String {
        switch self {
        case .usd: "USD"
        case .tly: "TLY"
        }
    }

    /// Decimal places of one ledger unit: 10^12 ledger units are one whole coin.
    public var ledgerDecimals: Int { 12 }

    /// Decimal places of one unit on chain.
    public var chainDecimals: Int {
        switch self {
        case .usd: 6
        case .tly: 9
        }
    }

    /// Ledger units in one chain unit.
    public var ledgerUnitsPerChainUnit: UInt128 {
        switch self {
        case .usd: 1_000_000
        case .tly: 1_000
        }
    }

    /// Whole chain units in `amount`, rounded down; the dust stays in the account.
    public func chainUnits(_ amount: Amount) -> UInt128 {
        amount.units / ledgerUnitsPerChainUnit
    }

    /// The smallest amount of whole chain units that is not below `amount`, or `nil` if it does not
    /// fit 128 bits.
    public func roundedUp(_ amount: Amount) -> Amount? {
        let whole = chainUnits(amount)
        return self.amount(chainUnits: whole).flatMap { down in
            down == amount ? down : self.amount(chainUnits: whole + 1)
        }
    }

    /// The ledger amount of `chainUnits`, or `nil` if it does not fit 128 bits.
    public func amount(chainUnits: UInt128) -> Amount? {
        Amount(chainUnits).scaled(by: ledgerUnitsPerChainUnit, over: 1, rounding: .down)
    }

    public static func < (left: Asset, right: Asset) -> Bool { left.rawValue < right.rawValue }

    /// `amount` as decimal text in whole coins with at least `minimumDecimals` places, exact:
    /// `1.25`, `0.000000000001`.
    public func format(_ amount: Amount, minimumDecimals: Int = 2) -> String {
        var scale: UInt128 = 1
        for _ in 0..<ledgerDecimals { scale *= 10 }
        let whole = amount.units / scale
        var fraction = String(amount.units % scale)
        fraction = String(repeating: "0", count: ledgerDecimals - fraction.count) + fraction
        while fraction.count > minimumDecimals, fraction.hasSuffix("0") { fraction.removeLast() }
        return fraction.isEmpty ? "\(whole)" : "\(whole).\(fraction)"
    }

    /// Reads decimal text in whole coins; `nil` if it is not a number, has too many places or
    /// does not fit.
    public func parse(_ text: String) -> Amount? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, !first.isEmpty, first.utf8.allSatisfy(isDigit) else {
            return nil
        }
        let fraction = parts.count == 2 ? parts[1] : ""
        guard fraction.utf8.count <= ledgerDecimals, fraction.utf8.allSatisfy(isDigit),
            parts.count == 1 || !fraction.isEmpty
        else { return nil }
        let zeros = String(repeating: "0", count: ledgerDecimals - fraction.utf8.count)
        return UInt128(String(first) + fraction + zeros).map(Amount.init)
    }

    private func isDigit(_ character: UInt8) -> Bool { (0x30...0x39).contains(character) }
}

extension Asset: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(rawValue)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        guard let asset = Asset(rawValue: try reader.readUInt32()) else {
            throw .invalidValue("asset")
        }
        self = asset
    }
}
