public import Primitives

/// How far the record of what was signed on Solana was when this was written down: with it a house
/// tells the newest `solana.sqlite` from an older copy. The file alone knows which payments were
/// sent, and no contract there refuses a second one.
public struct SolanaPin: Hashable, Sendable {
    /// Whose record: the cluster, the token and who pays, in words.
    public var owner: String
    /// What its count began with.
    public var base: Digest
    /// How many transactions were signed since.
    public var count: UInt64
    /// The hash of their names in order.
    public var hash: Digest

    /// A pin of these parts.
    public init(owner: String, base: Digest, count: UInt64, hash: Digest) {
        (self.owner, self.base, self.count, self.hash) = (owner, base, count, hash)
    }

    /// Whether a record can be here after it was there: it only grows.
    func follows(_ earlier: SolanaPin) -> Bool {
        base == earlier.base && count >= earlier.count
            && (count > earlier.count || hash == earlier.hash)
    }
}

/// What the books know of a record of what was signed on Solana.
public struct SolanaRecord: Hashable, Sendable {
    /// How far it is at least.
    public internal(set) var pin: SolanaPin
    /// The last round in which it may have forgotten payouts, from 1. Each of those was over in the
    /// books before.
    public internal(set) var forgettings: UInt64 = 0

    /// A record of which this is known.
    public init(pin: SolanaPin, forgettings: UInt64 = 0) {
        (self.pin, self.forgettings) = (pin, forgettings)
    }
}

extension ClearingHouse {
    /// Pins how far the record of an owner is; it is the last one. O(owners).
    mutating func pinSolana(_ pin: SolanaPin, into events: inout [Event]) throws(Rejection) {
        let place = solanaRecords.firstIndex { $0.pin.owner == pin.owner }
        let hasRoom = place != nil || solanaRecords.count < Limits.solanaRecords
        if !hasRoom || pin.owner.utf8.count > Limits.textBytes { throw .limitExceeded }
        if let place, !pin.follows(solanaRecords[place].pin) { throw .recordBehind }
        var record = SolanaRecord(pin: pin)
        if let place { record.forgettings = solanaRecords.remove(at: place).forgettings }
        solanaRecords.append(record)
        events.append(.solanaPinned(count: pin.count))
    }

    /// A record is about to forget payouts that are over in the books, in its next round.
    /// O(owners).
    mutating func forgetSolana(
        _ owner: String, round: UInt64, into events: inout [Event]
    ) throws(Rejection) {
        guard let place = solanaRecords.firstIndex(where: { $0.pin.owner == owner }) else {
            throw .recordNotPinned
        }
        if round <= solanaRecords[place].forgettings { throw .recordBehind }
        solanaRecords[place].forgettings = round
        events.append(.solanaForgetting(round: round))
    }

    mutating func restoreSolanaRecords(from reader: inout ByteReader) throws(CodecError) {
        solanaRecords = try reader.readArray(limit: Limits.solanaRecords)
        let owners = Set(solanaRecords.map(\.pin.owner))
        guard !owners.isEmpty, owners.count == solanaRecords.count else {
            throw .invalidValue("record of Solana")
        }
    }
}

extension SolanaPin: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(owner)
        writer.write(base)
        writer.write(count)
        writer.write(hash)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        owner = try reader.readString(limit: Limits.textBytes)
        base = try reader.readDigest()
        count = try reader.readUInt64()
        hash = try reader.readDigest()
    }
}

extension SolanaRecord: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(pin)
        writer.write(forgettings)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        pin = try reader.read()
        forgettings = try reader.readUInt64()
    }
}
