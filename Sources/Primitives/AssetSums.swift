/// One amount for each asset: what is owed to somebody, or to everybody.
public struct AssetSums: Hashable, Sendable {
    private var usd: Amount
    private var tly: Amount

    /// Nothing of any asset.
    public static let zero = AssetSums(usd: .zero, tly: .zero)

    /// Sums of these amounts.
    public init(usd: Amount, tly: Amount) {
        self.usd = usd
        self.tly = tly
    }

    /// The amount of one asset.
    public subscript(asset: Asset) -> Amount {
        get {
            switch asset {
            case .usd: usd
            case .tly: tly
            }
        }
        set {
            switch asset {
            case .usd: usd = newValue
            case .tly: tly = newValue
            }
        }
    }

    /// The sums of both, or `nil` if one of them does not fit 128 bits.
    public func checkedAdding(_ other: AssetSums) -> AssetSums? {
        guard let usd = usd.checkedAdding(other.usd), let tly = tly.checkedAdding(other.tly) else {
            return nil
        }
        return AssetSums(usd: usd, tly: tly)
    }
}

extension AssetSums: CanonicalCodable {
    /// The amounts in order of asset number: 16 bytes each.
    public func encode(into writer: inout ByteWriter) {
        writer.write(usd)
        writer.write(tly)
    }

    /// Reads the amounts in order of asset number.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(usd: try reader.read(), tly: try reader.read())
    }
}
