public import Primitives

/// An unsigned 256-bit number as contracts use it: kept and compared here, never calculated with.
public struct UInt256: Hashable, Comparable, Sendable {
    /// The upper 128 bits.
    public let high: UInt128
    /// The lower 128 bits.
    public let low: UInt128

    /// The number `high * 2^128 + low`.
    public init(high: UInt128 = 0, low: UInt128) {
        self.high = high
        self.low = low
    }

    /// The number of a 32-byte big-endian word.
    public init(_ word: Digest) {
        let words = word.words
        self.init(
            high: UInt128(words.0) << 64 | UInt128(words.1),
            low: UInt128(words.2) << 64 | UInt128(words.3))
    }

    /// The number as a 32-byte big-endian word.
    public var word: Digest {
        Digest(
            words: (
                UInt64(truncatingIfNeeded: high >> 64), UInt64(truncatingIfNeeded: high),
                UInt64(truncatingIfNeeded: low >> 64), UInt64(truncatingIfNeeded: low)
            ))
    }

    /// The number, or `nil` if it does not fit 128 bits.
    public var exactly128: UInt128? { high == 0 ? low : nil }

    /// The number, or `nil` if it does not fit 64 bits.
    public var exactly64: UInt64? { high == 0 ? UInt64(exactly: low) : nil }

    /// Orders by size.
    public static func < (left: UInt256, right: UInt256) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
