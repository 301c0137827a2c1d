public import Primitives

/// Keccak-256 as Ethereum uses it: the Keccak team's submission with rate 1088 and padding byte
/// 0x01, **not** SHA3-256, whose padding differs. libsodium has no Keccak, so this is our own.
public enum Keccak256 {
    private static let rate = 136

    /// The hash of `bytes`.
    public static func hash(_ bytes: [UInt8]) -> Digest {
        unsafe bytes.withUnsafeBytes { unsafe hash($0) }
    }

    /// The hash of the bytes of `buffer`.
    public static func hash(_ buffer: UnsafeRawBufferPointer) -> Digest {
        var state = KeccakState()
        var offset = 0
        while buffer.count - offset >= rate {
            unsafe state.absorb(UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + rate]))
            offset += rate
        }
        unsafe withUnsafeTemporaryAllocation(byteCount: rate, alignment: 8) { last in
            let rest = buffer.count - offset
            for index in 0..<rate {
                unsafe last[index] = index < rest ? buffer[offset + index] : 0
            }
            unsafe last[rest] ^= 0x01
            unsafe last[rate - 1] ^= 0x80
            unsafe state.absorb(UnsafeRawBufferPointer(last))
        }
        return state.digest
    }
}

/// Five lanes of 64 bits that share a y coordinate.
private struct Row {
    var a: UInt64 = 0
    var b: UInt64 = 0
    var c: UInt64 = 0
    var d: UInt64 = 0
    var e: UInt64 = 0

    @inline(__always)
    static func ^ (left: Row, right: Row) -> Row {
        Row(
            a: left.a ^ right.a, b: left.b ^ right.b, c: left.c ^ right.c, d: left.d ^ right.d,
            e: left.e ^ right.e)
    }

    /// The chi step: the only non-linear one.
    @inline(__always)
    var chi: Row {
        Row(a: a ^ (~b & c), b: b ^ (~c & d), c: c ^ (~d & e), d: d ^ (~e & a), e: e ^ (~a & b))
    }
}

/// The 1600-bit state. Rotations and constants: "The Keccak reference", version 3.0, tables 2.1
/// and 2.2.
private struct KeccakState {
    var y0 = Row()
    var y1 = Row()
    var y2 = Row()
    var y3 = Row()
    var y4 = Row()

    static let constants: [UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a,
        0x8000_0000_8000_8000, 0x0000_0000_0000_808b, 0x0000_0000_8000_0001,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8009, 0x0000_0000_0000_008a,
        0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
        0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089,
        0x8000_0000_0000_8003, 0x8000_0000_0000_8002, 0x8000_0000_0000_0080,
        0x0000_0000_0000_800a, 0x8000_0000_8000_000a, 0x8000_0000_8000_8081,
        0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
    ]

    var digest: Digest {
        Digest(words: (y0.a.byteSwapped, y0.b.byteSwapped, y0.c.byteSwapped, y0.d.byteSwapped))
    }

    /// Mixes one block of 136 bytes in.
    mutating func absorb(_ block: UnsafeRawBufferPointer) {
        @inline(__always)
        func lane(_ index: Int) -> UInt64 {
            UInt64(
                littleEndian: unsafe block.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
            )
        }
        y0 = y0 ^ Row(a: lane(0), b: lane(1), c: lane(2), d: lane(3), e: lane(4))
        y1 = y1 ^ Row(a: lane(5), b: lane(6), c: lane(7), d: lane(8), e: lane(9))
        y2 = y2 ^ Row(a: lane(10), b: lane(11), c: lane(12), d: lane(13), e: lane(14))
        y3 = y3 ^ Row(a: lane(15), b: lane(16))
        for constant in Self.constants { round(constant) }
    }

    @inline(__always)
    private mutating func round(_ constant: UInt64) {
        theta()
        let (z0, z1, z2, z3, z4) = (y0, y1, y2, y3, y4)
        y0 = Row(
            a: z0.a, b: rotl(z1.b, 44), c: rotl(z2.c, 43), d: rotl(z3.d, 21), e: rotl(z4.e, 14))
        y1 = Row(
            a: rotl(z0.d, 28), b: rotl(z1.e, 20), c: rotl(z2.a, 3), d: rotl(z3.b, 45),
            e: rotl(z4.c, 61))
        y2 = Row(
            a: rotl(z0.b, 1), b: rotl(z1.c, 6), c: rotl(z2.d, 25), d: rotl(z3.e, 8),
            e: rotl(z4.a, 18))
        y3 = Row(
            a: rotl(z0.e, 27), b: rotl(z1.a, 36), c: rotl(z2.b, 10), d: rotl(z3.c, 15),
            e: rotl(z4.d, 56))
        y4 = Row(
            a: rotl(z0.c, 62), b: rotl(z1.d, 55), c: rotl(z2.e, 39), d: rotl(z3.a, 41),
            e: rotl(z4.b, 2))
        (y0, y1, y2, y3, y4) = (y0.chi, y1.chi, y2.chi, y3.chi, y4.chi)
        y0.a ^= constant
    }

    @inline(__always)
    private mutating func theta() {
        let column = y0 ^ y1 ^ y2 ^ y3 ^ y4
        let mix = Row(
            a: column.e ^ rotl(column.b, 1), b: column.a ^ rotl(column.c, 1),
            c: column.b ^ rotl(column.d, 1), d: column.c ^ rotl(column.e, 1),
            e: column.d ^ rotl(column.a, 1))
        (y0, y1, y2, y3, y4) = (y0 ^ mix, y1 ^ mix, y2 ^ mix, y3 ^ mix, y4 ^ mix)
    }

    @inline(__always)
    private func rotl(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 &- count)
    }
}
