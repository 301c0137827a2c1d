public import Primitives

/// A payer's word that all it pays through a channel, from its opening on, is at most a sum. A
/// later voucher says more; the best one is all a receiver has to keep.
public struct Voucher: Hashable, Sendable {
    /// The channel: the digest of its terms on an EVM chain, its address on Solana.
    public let channel: Digest
    /// All that may be claimed, in the smallest unit of the channel's token.
    public let cumulative: UInt128
    /// The second since 1970 from which it counts no more; 0 for never. Always 0 on EVM chains.
    public let expiresAt: Int64
    /// The channel's signer's signature: 65 bytes on an EVM chain, 64 on Solana.
    public let signature: [UInt8]

    /// A voucher of these parts, unchecked until `ChannelTerms.check`.
    public init(channel: Digest, cumulative: UInt128, expiresAt: Int64 = 0, signature: [UInt8]) {
        self.channel = channel
        self.cumulative = cumulative
        self.expiresAt = expiresAt
        self.signature = signature
    }

    /// Whether it still counts at a second since 1970. Below zero it never does.
    public func isLive(at now: Int64) -> Bool { expiresAt == 0 || now < expiresAt }
}

extension Voucher: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(channel)
        writer.write(cumulative)
        writer.write(UInt64(bitPattern: expiresAt))
        writer.write(signature)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            channel: try reader.readDigest(), cumulative: try reader.readUInt128(),
            expiresAt: Int64(bitPattern: try reader.readUInt64()),
            signature: try reader.readBytes(limit: 65))
    }
}

/// What a channel was opened with, on either rail. It never changes, and the channel's id follows
/// from it.
public enum ChannelTerms: Hashable, Sendable {
    /// A channel of `x402BatchSettlement` on an EVM chain.
    case batch(BatchChannel)
    /// A channel of the `payment-channels` program on Solana.
    case payment(PaymentChannel)

    /// The channel's id.
    public var id: Digest {
        switch self {
        case .batch(let channel): channel.id
        case .payment(let channel): channel.address.value
        }
    }

    /// Throws unless a voucher is of this channel and its signer's, in the one form that counts.
    /// Looks at no sums and no clock. One signature's check.
    public func check(_ voucher: Voucher) throws(ChannelRefusal) {
        switch self {
        case .batch(let channel): try channel.check(voucher)
        case .payment(let channel): try channel.check(voucher)
        }
    }
}

extension ChannelTerms: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .batch(let channel):
            writer.write(UInt8(1))
            writer.write(channel)
        case .payment(let channel):
            writer.write(UInt8(2))
            writer.write(channel)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .batch(try reader.read())
        case 2: self = .payment(try reader.read())
        default: throw .invalidValue("terms")
        }
    }
}
