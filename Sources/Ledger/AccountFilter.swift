public import Primitives

/// Which side of an account, and in which order a query answers. The bits are TigerBeetle's.
public struct AccountFilterFlags: OptionSet, Hashable, Sendable {
    /// Thirty-two bits; unknown ones are refused.
    public let rawValue: UInt32

    /// Flags with these bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Transfers that debit the account.
    @inlinable
    public static var debits: AccountFilterFlags { AccountFilterFlags(rawValue: 1 << 0) }
    /// Transfers that credit the account.
    @inlinable
    public static var credits: AccountFilterFlags { AccountFilterFlags(rawValue: 1 << 1) }
    /// Newest first.
    @inlinable
    public static var reversed: AccountFilterFlags { AccountFilterFlags(rawValue: 1 << 2) }
}

/// Which of an account's transfers are wanted, or the balances they left: those that have all the
/// given values. A zero stands for any.
///
/// The canonical encoding is 128 bytes, little endian, in the order of the fields with 58 zero
/// bytes after `code`: the layout of TigerBeetle's account filter.
public struct AccountFilter: Hashable, Sendable {
    /// Whose transfers.
    public var account: AccountID
    /// The owner's note of the transfer.
    public var userData128: UInt128 = 0
    /// The owner's note of the transfer.
    public var userData64: UInt64 = 0
    /// The owner's note of the transfer.
    public var userData32: UInt32 = 0
    /// Why the money moved.
    public var code: UInt16 = 0
    /// The earliest creation, included.
    public var timestampMin: Timestamp = .zero
    /// The latest creation, included.
    public var timestampMax: Timestamp = .zero
    /// How many are wanted at most; more than `LedgerState.answerLimit` are never answered at once.
    public var limit: UInt32
    /// Which sides, in which order.
    public var flags: AccountFilterFlags

    /// A filter that every transfer of the account passes.
    public init(
        account: AccountID, limit: UInt32 = UInt32(LedgerState.answerLimit),
        flags: AccountFilterFlags = [.debits, .credits]
    ) {
        self.account = account
        self.limit = limit
        self.flags = flags
    }

    func check() throws(QueryRefusal) {
        if flags.rawValue >> 3 != 0 { throw .reservedFlag }
        if account.value == 0 { throw .accountIDMustNotBeZero }
        if account.value == .max { throw .accountIDMustNotBeIntMax }
        if flags.isDisjoint(with: [.debits, .credits]) { throw .sideMustBeChosen }
        try QueryRefusal.check(timestampMin, timestampMax, limit)
    }
}

extension AccountFilter: CanonicalCodable {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(account)
        writer.write(userData128)
        writer.write(userData64)
        writer.write(userData32)
        writer.write(code)
        writer.writeRaw([UInt8](repeating: 0, count: 58))
        writer.write(timestampMin)
        writer.write(timestampMax)
        writer.write(limit)
        writer.write(flags.rawValue)
    }

    /// Reads a value; throws rather than accept a second spelling of it.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(account: try reader.read())
        userData128 = try reader.readUInt128()
        userData64 = try reader.readUInt64()
        userData32 = try reader.readUInt32()
        code = try reader.readUInt16()
        guard try reader.readRaw(count: 58).allSatisfy({ $0 == 0 }) else {
            throw .invalidValue("filter reserved bytes")
        }
        timestampMin = try reader.read()
        timestampMax = try reader.read()
        limit = try reader.readUInt32()
        flags = AccountFilterFlags(rawValue: try reader.readUInt32())
    }
}
