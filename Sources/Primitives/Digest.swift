/// A 32-byte hash value, kept as four words so that it is cheap to compare and to key on.
///
/// The bytes are in the order the hash function produced them; word 0 holds bytes 0 to 7, big
/// endian, so that `<` on words equals lexicographic order on bytes.
public struct Digest: Hashable, Comparable, Sendable {
    /// The four words, most significant byte first.
    public let words: (UInt64, UInt64, UInt64, UInt64)

    /// The digest whose bytes are all zero; stands for "none" where a record says so.
    public static let zero = Digest(words: (0, 0, 0, 0))

    /// Makes a digest of four big-endian words.
    public init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    /// Makes a digest of exactly 32 bytes; `nil` for any other count.
    public init?(_ bytes: some Collection<UInt8>) {
        self.init(Array(bytes))
    }

    /// Makes a digest of exactly 32 bytes; `nil` for any other count.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        func word(_ offset: Int) -> UInt64 {
            var word: UInt64 = 0
            for place in offset..<offset + 8 { word = word << 8 | UInt64(bytes[place]) }
            return word
        }
        words = (word(0), word(8), word(16), word(24))
    }

    /// Reads 64 hexadecimal digits, with or without `0x`; `nil` for anything else.
    public init?(hex: some StringProtocol) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(32)
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: 56, through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return result
    }

    /// 64 lower-case hexadecimal digits, no prefix.
    public var hex: String { Hex.encode(bytes) }

    public static func == (left: Digest, right: Digest) -> Bool {
        left.words == right.words
    }

    public static func < (left: Digest, right: Digest) -> Bool {
        left.words < right.words
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}

extension Digest: CustomStringConvertible {
    /// The first eight hexadecimal digits: enough for a person, never for a program.
    public var description: String { String(hex.prefix(8)) }
}
