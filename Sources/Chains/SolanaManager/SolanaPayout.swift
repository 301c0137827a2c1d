public import Primitives

/// Tokens that somebody wants paid out exactly once. The id is the caller's: the same id with the
/// same content is the same payout however often it is submitted.
public struct SolanaPayout: Hashable, Sendable {
    /// The caller's name of it.
    public let id: Digest
    /// Who gets them: the owner, not the token account.
    public let owner: SolanaAddress
    /// How many of the smallest unit.
    public let amount: UInt64

    /// A payout of these parts.
    public init(id: Digest, to owner: SolanaAddress, amount: UInt64) {
        self.id = id
        self.owner = owner
        self.amount = amount
    }
}

/// What became of a payout. `unknown` and `quarantined` are no ends: it stays due.
public enum SolanaPayoutOutcome: Hashable, Sendable {
    /// A node took its transaction. Only a manager whose finality is `submitted` says so.
    case submitted(Signature)
    /// It was carried out, as deep in the chain as the manager's finality asks.
    case settled(Signature, slot: UInt64)
    /// Its recipient cannot be paid now, for this reason. It is tried again later.
    case quarantined(String)
    /// It has been on its way for long and may or may not be carried out.
    case unknown
    /// The caller called it off before it was on its way.
    case cancelled
}

/// How far a payout is.
public enum SolanaPayoutStatus: Hashable, Sendable {
    /// Nobody submitted it.
    case absent
    /// It waits for its turn; nothing was signed that could still be carried out.
    case waiting
    /// Its recipient cannot be paid now.
    case quarantined(String)
    /// It is in a batch, for which these transactions were signed.
    case inFlight([Signature])
    /// It is over.
    case closed(SolanaPayoutOutcome)
}

/// Why a manager refused an input. Numbers are stable for ever and never reused; a refused input
/// changes nothing.
public enum SolanaManagerRejection: UInt16, Error, CaseIterable, Hashable, Sendable {
    /// The id was used before with other content.
    case otherContent = 1
    /// The amount is zero.
    case invalidPayout = 2
    /// As many payouts are remembered as may be.
    case tooManyPayouts = 3
    /// Nobody submitted this payout.
    case noSuchPayout = 4
    /// The payout is over.
    case alreadyClosed = 5
    /// The payout is on its way and cannot be called off.
    case onItsWay = 6
    /// The payout is not over and cannot be forgotten.
    case notClosed = 7

    /// One sentence for people.
    public var message: String {
        switch self {
        case .otherContent: "the id was used before with other content"
        case .invalidPayout: "a payout of nothing"
        case .tooManyPayouts: "as many payouts are remembered as may be"
        case .noSuchPayout: "nobody submitted this payout"
        case .alreadyClosed: "the payout is over"
        case .onItsWay: "the payout is on its way and cannot be called off"
        case .notClosed: "the payout is not over and cannot be forgotten"
        }
    }
}

extension SolanaPayout: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(owner)
        writer.write(amount)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.readDigest(), to: try reader.read(), amount: try reader.readUInt64())
    }
}

extension SolanaPayoutOutcome: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .submitted(let transaction):
            writer.write(UInt8(1))
            writer.write(transaction)
        case .settled(let transaction, let slot):
            writer.write(UInt8(2))
            writer.write(transaction)
            writer.write(slot)
        case .quarantined(let reason):
            writer.write(UInt8(3))
            writer.write(reason)
        case .unknown: writer.write(UInt8(4))
        case .cancelled: writer.write(UInt8(5))
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 1: self = .submitted(try reader.read())
        case 2: self = .settled(try reader.read(), slot: try reader.readUInt64())
        case 3: self = .quarantined(try reader.readString(limit: SolanaManager.maximumText))
        case 4: self = .unknown
        case 5: self = .cancelled
        default: throw .invalidValue("outcome")
        }
    }
}
