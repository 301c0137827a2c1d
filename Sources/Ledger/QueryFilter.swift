public import Primitives

/// In which order a query answers. The bits are TigerBeetle's.
public struct QueryFilterFlags: OptionSet, Hashable, Sendable {
    /// Thirty-two bits; unknown ones are refused.
    public let rawValue: UInt32

    /// Flags with these bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Newest first.
    @inlinable
    public static var reversed: QueryFilterFlags { QueryFilterFlags(rawValue: 1 << 0) }
}

/// Which accounts or transfers are wanted: those that have all the given values. A zero stands for
/// any.
///
/// The canonical encoding is 64 bytes, little endian, in the order of the fields with six zero
/// bytes after `code`: the layout of TigerBeetle's query filter.
public struct QueryFilter: Hashable, Sendable {
    /// The owner's note of the record.
    public var userData128: UInt128 = 0
    /// The owner's note of the record.
    public var userData64: UInt64 = 0
    /// The owner's note of the record.
    public var userData32: UInt32 = 0
    /// The asset.
    public var ledger: UInt32 = 0
    /// The kind of account, or why the money moved.
    public var code: UInt16 = 0
    /// The earliest creation, included.
    public var timestampMin: Timestamp = .zero
    /// The latest creation, included.
    public var timestampMax: Timestamp = .zero
    /// How many are wanted at most; more than `LedgerState.answerLimit` are never answered at once.
    public var limit: UInt32
    /// In which order.
    public var flags: QueryFilterFlags

    /// A filter that everything passes.
    public init(limit: UInt32 = UInt32(LedgerState.answerLimit), flags: QueryFilterFlags = []) {
        self.limit = limit
        self.flags = flags
    }

    func check() throws(QueryRefusal) {
        if flags.rawValue >> 1 != 0 { throw .reservedFlag }
        try QueryRefusal.check(timestampMin, timestampMax, limit)
    }
}

extension QueryFilter: CanonicalCodable {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(userData128)
        writer.write(userData64)
        writer.write(userData32)
        writer.write(ledger)
        writer.write(code)
        writer.writeRaw([UInt8](repeating: 0, count: 6))
        writer.write(timestampMin)
        writer.write(timestampMax)
        writer.write(limit)
        writer.write(flags.rawValue)
    }

    /// Reads a value; throws rather than accept a second spelling of it.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init()
        userData128 = try reader.readUInt128()
        userData64 = try reader.readUInt64()
        userData32 = try reader.readUInt32()
        ledger = try reader.readUInt32()
        code = try reader.readUInt16()
        guard try reader.readRaw(count: 6).allSatisfy({ $0 == 0 }) else {
            throw .invalidValue("filter reserved bytes")
        }
        timestampMin = try reader.read()
        timestampMax = try reader.read()
        limit = try reader.readUInt32()
        flags = QueryFilterFlags(rawValue: try reader.readUInt32())
    }
}
