/// An Ed25519 public key: 32 bytes.
public struct PublicKey: Hashable, Comparable, Sendable {
    /// The key's 32 bytes, as four words.
    public let value: Digest

    /// The key with these 32 bytes.
    public init(_ value: Digest) {
        self.value = value
    }

    /// The 32 bytes.
    public var bytes: [UInt8] { value.bytes }
    /// 64 hexadecimal digits.
    public var hex: String { value.hex }

    public static func < (left: PublicKey, right: PublicKey) -> Bool { left.value < right.value }
}

extension PublicKey: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) { writer.write(value) }
    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.readDigest())
    }
}

/// An Ed25519 signature: 64 bytes. Never a key of anything: encodings of it can be malleable.
public struct Signature: Hashable, Sendable {
    /// The 64 bytes.
    public let bytes: [UInt8]

    /// Makes a signature of exactly 64 bytes; `nil` for any other count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 64 else { return nil }
        self.bytes = bytes
    }
}

extension Signature: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) { writer.writeRaw(bytes) }
    public init(from reader: inout ByteReader) throws(CodecError) {
        guard let signature = Signature(try reader.readRaw(count: 64)) else { throw .truncated }
        self = signature
    }
}

/// A 20-byte account address of an EVM chain.
public struct EVMAddress: Hashable, Comparable, Sendable {
    /// The address as a big-endian number below 2^160, in words: no 128-bit part, which an async
    /// function could not take on the stack (docs/decisions/0007).
    private let high: UInt32
    private let middle: UInt64
    private let low: UInt64

    /// The address of no one.
    public static let zero = EVMAddress(high: 0, middle: 0, low: 0)

    private init(high: UInt32, middle: UInt64, low: UInt64) {
        self.high = high
        self.middle = middle
        self.low = low
    }

    /// The address as a word of 32 bytes, padded on the left.
    public var word: Digest { Digest(words: (0, UInt64(high), middle, low)) }

    /// Makes an address of exactly 20 bytes; `nil` for any other count.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 20 else { return nil }
        // An array is taken as it is, and gives its bytes without a call for each.
        let bytes = Array(bytes)
        var words: (high: UInt32, middle: UInt64, low: UInt64) = (0, 0, 0)
        for (offset, byte) in bytes.enumerated() {
            switch offset {
            case ..<4: words.high = words.high << 8 | UInt32(byte)
            case ..<12: words.middle = words.middle << 8 | UInt64(byte)
            default: words.low = words.low << 8 | UInt64(byte)
            }
        }
        self.init(high: words.high, middle: words.middle, low: words.low)
    }

    /// Reads 40 hexadecimal digits in any case, with or without `0x`; `nil` for anything else.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// The 20 bytes.
    public var bytes: [UInt8] {
        var bytes = (0..<4).map { UInt8(truncatingIfNeeded: high >> UInt32(24 - 8 * $0)) }
        for word in [middle, low] {
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
        return bytes
    }

    /// `0x` and 40 lower-case digits. For the mixed-case checksum see `Cryptography`.
    public var hex: String { "0x" + Hex.encode(bytes) }

    public static func < (left: EVMAddress, right: EVMAddress) -> Bool {
        (left.high, left.middle, left.low) < (right.high, right.middle, right.low)
    }
}

extension EVMAddress: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) { writer.writeRaw(bytes) }
    public init(from reader: inout ByteReader) throws(CodecError) {
        guard let address = EVMAddress(try reader.readRaw(count: 20)) else { throw .truncated }
        self = address
    }
}
