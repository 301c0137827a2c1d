import Primitives

/// How far a channel of the `payment-channels` program is.
public enum PaymentChannelStatus: UInt8, Sendable {
    /// Vouchers count.
    case open = 0
    /// No voucher counts any more; to be distributed.
    case sealed = 1
    /// The payer closes: until the grace period is over the payee can still seal with a voucher.
    case closing = 2
    /// Paid out; only its account is left.
    case distributed = 3
}

/// What a channel's account says: 256 bytes, little endian.
public struct PaymentChannelState: Hashable, Sendable {
    /// The bytes of a channel's account.
    public static let byteCount = 256

    /// How far it is.
    public let status: PaymentChannelStatus
    /// What was ever put in.
    public let deposit: UInt64
    /// What vouchers were believed for.
    public let settled: UInt64
    /// How much of that was paid out.
    public let paidOut: UInt64
    /// The second in which the payer said that it closes; 0 unless it is closing.
    public let closureStartedAt: Int64
    /// The second in which the payer took the rest; 0 if it did not.
    public let payerWithdrawnAt: Int64

    /// Reads the account of a channel; `nil` if it is not of its program or its terms.
    public init?(_ account: SolanaAccount, of channel: PaymentChannel) {
        guard account.owner == channel.program, account.data.count == Self.byteCount else {
            return nil
        }
        var reader = ByteReader(account.data)
        do throws(CodecError) {
            try self.init(from: &reader, of: channel)
        } catch { return nil }
    }

    private init(
        from reader: inout ByteReader, of channel: PaymentChannel
    ) throws(CodecError) {
        let terms = channel.terms
        guard try reader.readUInt8() == 1 else { throw .invalidValue("discriminator") }
        guard try reader.readUInt8() == 1 else { throw .invalidValue("version") }
        _ = try reader.readUInt8()
        guard let status = PaymentChannelStatus(rawValue: try reader.readUInt8()) else {
            throw .invalidValue("status")
        }
        self.status = status
        guard try reader.readUInt64() == terms.salt else { throw .invalidValue("salt") }
        deposit = try reader.readUInt64()
        settled = try reader.readUInt64()
        paidOut = try reader.readUInt64()
        closureStartedAt = Int64(bitPattern: try reader.readUInt64())
        payerWithdrawnAt = Int64(bitPattern: try reader.readUInt64())
        guard try reader.readUInt32() == terms.gracePeriod,
            try reader.readDigest() == channel.distributionHash
        else { throw .invalidValue("terms") }
        let parties = [
            terms.payer, terms.payee, terms.authorizedSigner, terms.mint, terms.rentPayer,
        ]
        for party in parties {
            guard try reader.read(SolanaAddress.self) == party else {
                throw .invalidValue("party")
            }
        }
        guard try reader.readUInt64() == terms.openSlot else { throw .invalidValue("slot") }
    }
}

/// Why the `payment-channels` program refuses a voucher or a step of a channel: the machine's
/// `Custom` error numbers that this side can meet.
public enum PaymentChannelFault: UInt32, CaseIterable, Error, Sendable {
    /// A signature is missing.
    case missingRequiredSignature = 1
    /// The channel is not in the state for it.
    case invalidChannelStatus = 2
    /// Nothing was put in.
    case depositMustBeNonZero = 200
    /// No check of a signature stands before it.
    case missingEd25519Verification = 230
    /// The check is not in the one layout.
    case malformedEd25519Instruction = 231
    /// Of another channel.
    case voucherChannelMismatch = 232
    /// Expired.
    case voucherExpired = 233
    /// Not above what was settled.
    case voucherWatermarkNotMonotonic = 234
    /// Above the deposit.
    case voucherOverDeposit = 235
    /// By another key.
    case voucherSignerMismatch = 237
    /// Not a voucher, or of another version.
    case voucherBadMagic = 238
    /// The slot of opening is ahead, or too far back.
    case openSlotOutOfWindow = 2003
    /// The grace period is not over.
    case sealGracePeriodNotElapsed = 2201
    /// The payer took the rest before.
    case payerAlreadyWithdrawn = 2300
    /// The splits are others than those of the opening.
    case invalidDistributionHash = 2407
    /// All that was settled is paid.
    case nothingToDistribute = 2408
    /// The slot of opening is not 1,500 slots back.
    case channelCloseTooEarly = 2414
}
