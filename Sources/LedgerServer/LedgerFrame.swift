import Ledger
import Primitives

/// The binary protocol of a ledger server, version 1 (docs/reference/ledger-protocol.md): frames of
/// a 24-byte header and a body, both ways; integers little-endian. A client may send requests
/// without waiting; a reply carries its request's number, and replies of one connection may come in
/// another order than the requests.
public struct LedgerFrame: Hashable, Sendable {
    /// What every frame starts with: `EXQL`.
    public static let magic: UInt32 = 0x4C51_5845
    /// The version this program speaks.
    public static let version: UInt8 = 1
    /// Bytes in a header.
    public static let headerBytes = 24
    /// The most bytes in a request's body: a command with the most events.
    public static let bodyLimit = LedgerCommand.byteLimit

    /// What is asked for. In a reply: what was.
    public var operation: UInt8
    /// In a reply: 0, or the number of a `LedgerRefusal`. In a request: 0.
    public var refusal: UInt16
    /// How many bytes of body follow.
    public var length: UInt32
    /// The client's number for the request.
    public var number: UInt64

    /// A header with all its fields.
    public init(operation: UInt8, refusal: UInt16 = 0, length: Int, number: UInt64) {
        self.operation = operation
        self.refusal = refusal
        self.length = UInt32(length)
        self.number = number
    }
}

/// What a client can ask for.
public enum LedgerOperation: UInt8, CaseIterable, Sendable {
    /// Body: a `LedgerCommand`. Reply: 16 bytes for each event.
    case submit = 1
    /// Body: account ids, 16 bytes each. Reply: the records of those that exist.
    case lookUpAccounts = 2
    /// Body: transfer ids, 16 bytes each. Reply: the records of those that exist.
    case lookUpTransfers = 3
    /// No body. Reply: the journal's head, 56 bytes: sequence, term, time, hash.
    case head = 4
    /// Body: an `AccountFilter`, 128 bytes. Reply: where to go on (8 bytes, 0 for nowhere), then
    /// the records of transfers.
    case accountTransfers = 5
    /// As `accountTransfers`, with the records of balances.
    case accountBalances = 6
    /// Body: a `QueryFilter`, 64 bytes. Reply: as `accountTransfers`, with the records of accounts.
    case queryAccounts = 7
    /// As `queryAccounts`, with the records of transfers.
    case queryTransfers = 8
}

/// Why a request was not carried out. The numbers never change. A query that makes no sense is
/// refused with 100 and the number of its `QueryRefusal`.
public enum LedgerRefusal: UInt16, CaseIterable, Error, Sendable {
    /// The bytes do not start with the magic number. The connection is closed.
    case notThisProtocol = 1
    /// The header names another version. The connection is closed.
    case unsupportedVersion = 2
    /// A field that must be zero is not. The connection is closed.
    case reservedField = 3
    /// The body is longer than any request's. The connection is closed.
    case tooLarge = 4
    /// There is no such operation.
    case unknownOperation = 5
    /// The body is not what the operation takes.
    case malformed = 6
    /// Too much waits already. Nothing happened; try again later.
    case busy = 7
    /// The server is stopping. Nothing happened.
    case stopping = 8
    /// The journal failed. Whether the command is durable is not known: ask again with the same
    /// ids when the server is back.
    case outcomeUnknown = 9
    /// There are too many connections. The connection is closed.
    case tooManyConnections = 10

    /// Whether the server closes the connection after it.
    public var closes: Bool {
        switch self {
        case .notThisProtocol, .unsupportedVersion, .reservedField, .tooLarge, .stopping,
            .outcomeUnknown, .tooManyConnections:
            true
        case .unknownOperation, .malformed, .busy: false
        }
    }

    /// What happened and what to do, in a few words.
    public var words: String {
        switch self {
        case .notThisProtocol: "this port speaks the ledger protocol: frames start with EXQL"
        case .unsupportedVersion: "this server speaks version 1 of the ledger protocol"
        case .reservedField: "bytes 6 to 7 and 12 to 15 of a request's header must be 0"
        case .tooLarge: "a body has at most \(LedgerFrame.bodyLimit) bytes"
        case .unknownOperation: "there is no such operation"
        case .malformed: "the body is not what the operation takes"
        case .busy: "too much waits: try again later"
        case .stopping: "the server is stopping"
        case .outcomeUnknown: "the journal failed: ask again with the same ids later"
        case .tooManyConnections: "too many connections: try again later"
        }
    }
}

extension LedgerFrame {
    /// Reads a header; throws what is wrong with a request's.
    @inline(__always)
    init(request words: (UInt64, UInt64, UInt64)) throws(LedgerRefusal) {
        guard UInt32(truncatingIfNeeded: words.0) == LedgerFrame.magic else {
            throw .notThisProtocol
        }
        guard UInt8(truncatingIfNeeded: words.0 >> 32) == LedgerFrame.version else {
            throw .unsupportedVersion
        }
        operation = UInt8(truncatingIfNeeded: words.0 >> 40)
        refusal = UInt16(truncatingIfNeeded: words.0 >> 48)
        length = UInt32(truncatingIfNeeded: words.1)
        number = words.2
        if refusal != 0 || words.1 >> 32 != 0 { throw .reservedField }
        if length > LedgerFrame.bodyLimit { throw .tooLarge }
    }

    /// The header's three words.
    var words: (UInt64, UInt64, UInt64) {
        (
            UInt64(LedgerFrame.magic) | UInt64(LedgerFrame.version) << 32
                | UInt64(operation) << 40 | UInt64(refusal) << 48,
            UInt64(length), number
        )
    }
}
