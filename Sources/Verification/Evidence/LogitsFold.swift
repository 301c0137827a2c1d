import Cryptography
import Primitives

/// The logits of one position in 32 lanes of 32 bits (docs/reference/evidence.md): whoever has not
/// computed every one of them does not have the lanes, and they cost a twelfth of hashing all.
///
/// No hash: other logits with the same lanes are easily made, and of no use to anyone, since the
/// row beside them is hashed and says what the logits must be.
enum LogitsFold {
    /// The hash of a row and the logits that follow from it, both F32 little endian:
    /// H(counted text | row | lanes). Number i goes to lane i mod 32, which becomes
    /// `rotateLeft(lane + bits, 7)`.
    static func hash(row: UnsafeRawBufferPointer, logits: UnsafeRawBufferPointer) -> Digest {
        var prefix = ByteWriter()
        prefix.write("exchequer-logits-v1")
        var hasher = SHA256()
        hasher.update(prefix.bytes)
        unsafe hasher.update(row)
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 32) { sums in
            unsafe sums.initialize(repeating: 0)
            unsafe fold(logits, into: sums)
            unsafe hasher.update(UnsafeRawBufferPointer(sums))
        }
        return hasher.finish()
    }

    /// The same of bytes that were opened.
    static func hash(row: [UInt8], logits: [UInt8]) -> Digest {
        unsafe row.withUnsafeBytes { row in
            unsafe logits.withUnsafeBytes { unsafe hash(row: row, logits: $0) }
        }
    }

    /// Plain loops over memory, which the compiler makes vectors of; Swift's own vectors of 32
    /// were a hundred times as slow here.
    private static func fold(
        _ logits: UnsafeRawBufferPointer, into sums: UnsafeMutableBufferPointer<UInt32>
    ) {
        guard let base = sums.baseAddress else { return }
        func add(_ number: Int, _ lane: Int) {
            let bits = unsafe logits.loadUnaligned(fromByteOffset: 4 * number, as: UInt32.self)
            let sum = unsafe base[lane] &+ bits
            unsafe base[lane] = sum &<< 7 | sum &>> 25
        }
        let count = logits.count / 4
        var first = 0
        while first + 32 <= count {
            for lane in 0..<32 { add(first + lane, lane) }
            first += 32
        }
        for number in first..<count { add(number, number - first) }
    }
}
