public import Primitives

/// What an emission policy is told about an epoch that ends. A policy uses what its formula names
/// and ignores the rest, so that all are called alike.
public struct EmissionObservation: Hashable, Sendable {
    /// The epoch, from 1.
    public var epoch: UInt64
    /// Every token minted before, in ledger units.
    public var issued: Amount
    /// Tokens burned in this epoch.
    public var burned: Amount
    /// What is bonded at its end, in any one asset.
    public var bonded: Amount
    /// What could be bonded, in the same asset: the ratio of the two steers the feedback policies.
    public var bondable: Amount
    /// Verified work in this epoch.
    public var work: UInt64

    /// An epoch in which nothing happened, after so much was issued.
    public init(epoch: UInt64, issued: Amount = .zero) {
        self.epoch = epoch
        self.issued = issued
        burned = .zero
        bonded = .zero
        bondable = .zero
        work = 0
    }
}

/// What a policy remembers from one epoch to the next. Policies of pure arithmetic remember
/// nothing; a state of another policy counts as none.
public enum EmissionState: Hashable, Sendable {
    /// Nothing.
    case none
    /// The inflation of the last epoch, in the policy's own fixed point.
    case inflation(UInt128)
    /// Burned tokens that wait to be minted again.
    case pool(Amount)
    /// How far the network has come along its baseline.
    case baseline(BaselineProgress)
}

extension EmissionState: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .none: writer.write(UInt8(0))
        case .inflation(let rate):
            writer.write(UInt8(1))
            writer.write(rate)
        case .pool(let amount):
            writer.write(UInt8(2))
            writer.write(amount)
        case .baseline(let progress):
            writer.write(UInt8(3))
            writer.write(progress)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 0: self = .none
        case 1: self = .inflation(try reader.readUInt128())
        case 2: self = .pool(try reader.read())
        case 3: self = .baseline(try reader.read())
        default: throw .invalidValue("emission state")
        }
    }
}
