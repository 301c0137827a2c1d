import Cryptography
import Primitives

/// The logits of one position in 32 lanes of 32 bits (docs/reference/evidence.md): whoever has not
/// computed every one of them does not have the lanes, and they cost a fiftieth of hashing all.
///
/// No hash: other logits with the same lanes are easily made, and of no use to anyone, since the
/// row beside them is hashed and says what the logits must be.
struct LogitsFold {
    private(set) var lanes = SIMD32<UInt32>()

    /// Folds F32 little endian: number i goes to lane i mod 32, which becomes
    /// `rotateLeft(lane + bits, 7)`.
    init(_ logits: UnsafeRawBufferPointer) {
        let size = MemoryLayout<SIMD32<UInt32>>.size
        let whole = logits.count / size * size
        for offset in stride(from: 0, to: whole, by: size) {
            let next = unsafe logits.loadUnaligned(
                fromByteOffset: offset, as: SIMD32<UInt32>.self)
            lanes = Self.rotated(lanes &+ next)
        }
        for (lane, offset) in stride(from: whole, to: logits.count / 4 * 4, by: 4).enumerated() {
            let next = unsafe logits.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            let sum = lanes[lane] &+ next
            lanes[lane] = sum << 7 | sum >> 25
        }
    }

    private static func rotated(_ sums: SIMD32<UInt32>) -> SIMD32<UInt32> {
        (sums &<< 7) | (sums &>> 25)
    }

    /// The hash of a row and the logits that follow from it, both F32 little endian.
    static func hash(row: UnsafeRawBufferPointer, logits: UnsafeRawBufferPointer) -> Digest {
        var prefix = ByteWriter()
        prefix.write("exchequer-logits-v1")
        var hasher = SHA256()
        hasher.update(prefix.bytes)
        unsafe hasher.update(row)
        let fold = unsafe LogitsFold(logits)
        unsafe withUnsafeBytes(of: fold.lanes) { unsafe hasher.update($0) }
        return hasher.finish()
    }

    /// The same of bytes that were opened.
    static func hash(row: [UInt8], logits: [UInt8]) -> Digest {
        unsafe row.withUnsafeBytes { row in
            unsafe logits.withUnsafeBytes { unsafe hash(row: row, logits: $0) }
        }
    }
}
