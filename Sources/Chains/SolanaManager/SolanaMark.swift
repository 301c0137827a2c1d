import Cryptography
public import Primitives

/// How far the record of what was signed is. Whoever keeps the last one elsewhere can tell the
/// newest record from an older copy of it, from another one, and from one that lost its end.
public struct SolanaMark: Hashable, Sendable {
    /// What the count began with: zero, or a hash of the state of before there were marks.
    public private(set) var base = Digest.zero
    /// How many transactions were signed since.
    public private(set) var count: UInt64 = 0
    /// A hash of their names in order: of the one before and the last name.
    public private(set) var hash = Digest.zero
    /// The hash before the last one.
    public private(set) var previous = Digest.zero
    /// The last round of forgetting, from 1; 0 if nothing was ever forgotten.
    public internal(set) var forgettings: UInt64 = 0

    /// Nothing was signed.
    public init() {}

    /// The mark of a record that goes on after another one's: it knows nothing of what that one
    /// says, and counts on.
    public init(base: Digest, count: UInt64, hash: Digest, forgettings: UInt64) {
        (self.base, self.count) = (base, count)
        (self.hash, self.forgettings) = (hash, forgettings)
    }

    /// The mark of a state of before there were marks.
    init(state: [UInt8]) {
        self.init()
        base = SHA256.hash(state)
    }

    /// Counts a transaction.
    mutating func sign(_ transaction: Signature) {
        previous = hash
        hash = SHA256.hash(hash.bytes + transaction.bytes)
        count += 1
    }
}

extension SolanaMark: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(base)
        writer.write(count)
        writer.write(hash)
        writer.write(previous)
        writer.write(forgettings)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        base = try reader.readDigest()
        count = try reader.readUInt64()
        hash = try reader.readDigest()
        previous = try reader.readDigest()
        forgettings = try reader.readUInt64()
    }
}
