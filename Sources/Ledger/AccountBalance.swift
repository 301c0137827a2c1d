public import Primitives

/// An account's balances after a transfer that touched it.
///
/// The canonical encoding is 128 bytes, little endian, in the order of the fields with 56 zero
/// bytes after them: the layout of TigerBeetle's account balance record.
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
