public import Primitives

/// Why a query was not carried out. The numbers never change; the cases stand in order of
/// precedence. (TigerBeetle answers nothing in these cases.)
public enum QueryRefusal: UInt32, CaseIterable, Hashable, Sendable, Error {
    /// A flag without a meaning is set.
    case reservedFlag = 1
    /// The account's id is 0.
    case accountIDMustNotBeZero = 2
    /// The account's id is the largest number.
    case accountIDMustNotBeIntMax = 3
    /// Neither debits nor credits are wanted.
    case sideMustBeChosen = 4
    /// A timestamp is after `LedgerState.endOfTime`.
    case timestampOutOfRange = 5
    /// The earliest timestamp is after the latest.
    case timestampsMustBeOrdered = 6
    /// The limit is 0.
    case limitMustNotBeZero = 7

    static func check(
        _ earliest: Timestamp, _ latest: Timestamp, _ limit: UInt32
    ) throws(QueryRefusal) {
        if max(earliest, latest) > LedgerState.endOfTime { throw .timestampOutOfRange }
        if latest != .zero, earliest > latest { throw .timestampsMustBeOrdered }
        if limit == 0 { throw .limitMustNotBeZero }
    }
}

/// What a query found.
public struct QueryAnswer<Record: Hashable & Sendable>: Hashable, Sendable {
    /// The records that match, in the order asked for.
    public var records: [Record]
    /// Where to go on: the same filter with this as its `timestampMin`, or as its `timestampMax` if
    /// it is reversed, finds the rest. `nil` if nothing is left to look at. An answer can be short or
    /// even empty and still have more to look at, because a query looks at
    /// `LedgerState.scanLimit` records at most.
    public var next: Timestamp?

    /// An answer.
    public init(records: [Record] = [], next: Timestamp? = nil) {
        self.records = records
        self.next = next
    }
}

/// An account's balances after a transfer that touched it.
///
/// The canonical encoding is 128 bytes, little endian, in the order of the fields with 56 zero bytes
/// after them: the layout of TigerBeetle's account balance record.
public struct AccountBalance: Hashable, Sendable {
    /// Debits reserved by open pending transfers.
    public var debitsPending: Amount
    /// Debits that happened.
    public var debitsPosted: Amount
    /// Credits announced by open pending transfers.
    public var creditsPending: Amount
    /// Credits that happened.
    public var creditsPosted: Amount
    /// When the transfer happened.
    public var timestamp: Timestamp

    /// A balance with all its fields.
    public init(
        debitsPending: Amount, debitsPosted: Amount, creditsPending: Amount,
        creditsPosted: Amount, timestamp: Timestamp
    ) {
        self.debitsPending = debitsPending
        self.debitsPosted = debitsPosted
        self.creditsPending = creditsPending
        self.creditsPosted = creditsPosted
        self.timestamp = timestamp
    }
}

extension AccountBalance: CanonicalCodable {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        writer.write(debitsPending)
        writer.write(debitsPosted)
        writer.write(creditsPending)
        writer.write(creditsPosted)
        writer.write(timestamp)
        writer.writeRaw([UInt8](repeating: 0, count: 56))
    }

    /// Reads a value; throws rather than accept a second spelling of it.
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            debitsPending: try reader.read(), debitsPosted: try reader.read(),
            creditsPending: try reader.read(), creditsPosted: try reader.read(),
            timestamp: try reader.read())
        guard try reader.readRaw(count: 56).allSatisfy({ $0 == 0 }) else {
            throw .invalidValue("balance reserved bytes")
        }
    }
}
