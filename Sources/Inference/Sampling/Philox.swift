/// The counter-based generator Philox 4x32 with ten rounds: 128 random bits that depend only on a
/// key and a counter, so that any position's randomness can be recomputed alone.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public enum Philox {
    /// The four words for a counter of four words and a key of two.
    @inlinable
    public static func block(
        counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (c0, c1, c2, c3) = counter
        var (k0, k1) = key
        for _ in 0..<10 {
            let first = UInt64(c0) * 0xD251_1F53
            let second = UInt64(c2) * 0xCD9E_8D57
            (c0, c1, c2, c3) = (
                UInt32(second >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: second),
                UInt32(first >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: first)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }
}
