public import Primitives

/// What a ledger is told to do: the commands of a ledger's journal, and the body of a request that
/// changes something.
///
/// The encoding is one tag byte (0xA1 accounts, 0xA2 transfers, 0xA3 pulse: no tag of a house's
/// commands, so that neither can be taken for the other), for the first two a u32 count, and the
/// records of 128 bytes; integers little-endian.
public enum LedgerCommand: Hashable, Sendable {
    /// Create accounts, in order.
    case createAccounts([Account])
    /// Create transfers, in order.
    case createTransfers([Transfer])
    /// Release the pending transfers whose time is over, at a time when nothing else happens.
    case pulse

    /// The most events of one command: with them it still fits a mebibyte. TigerBeetle's limit.
    public static let eventLimit = 8_189
    /// The most bytes of one command.
    public static let byteLimit = 5 + 128 * eventLimit

    /// How many events it holds.
    public var count: Int {
        switch self {
        case .createAccounts(let accounts): accounts.count
        case .createTransfers(let transfers): transfers.count
        case .pulse: 0
        }
    }
}

/// What a ledger answers to a command.
public enum LedgerAnswer: Hashable, Sendable {
    /// One result for each account.
    case accounts([CreateAccountResult])
    /// One result for each transfer.
    case transfers([CreateTransferResult])
    /// The transfers that were released.
    case pulsed([TransferID])
}

extension LedgerCommand: CanonicalCodable {
    /// Appends the one encoding of this value.
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .createAccounts(let accounts):
            writer.write(UInt8(0xA1))
            writer.write(UInt32(accounts.count))
            writer.writeRaw(Account.wireBytes(accounts))
        case .createTransfers(let transfers):
            writer.write(UInt8(0xA2))
            writer.write(UInt32(transfers.count))
            writer.writeRaw(Transfer.wireBytes(transfers))
        case .pulse: writer.write(UInt8(0xA3))
        }
    }

    /// Reads a command with at least one and at most `eventLimit` events, or a pulse.
    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 0xA1: self = .createAccounts(try LedgerCommand.records(from: &reader))
        case 0xA2: self = .createTransfers(try LedgerCommand.records(from: &reader))
        case 0xA3: self = .pulse
        default: throw .invalidValue("ledger command")
        }
    }

    private static func records<Record: WireRecord>(
        from reader: inout ByteReader
    ) throws(CodecError) -> [Record] {
        let count = try reader.readCount(limit: eventLimit)
        if count == 0 { throw .invalidValue("a command without events") }
        let records = try reader.withRaw(count: count * Record.wireSize) { Record.records($0) }
        guard let records else { throw .truncated }
        return records
    }
}
