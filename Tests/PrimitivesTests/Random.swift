/// SplitMix64: the same numbers for the same seed, on every machine.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// A number that is often at an edge: 0, 1, a power of two or just below one, the largest.
    mutating func edgy<Number: FixedWidthInteger & UnsignedInteger>() -> Number {
        switch next() % 5 {
        case 0: 0
        case 1: .max
        case 2: 1 << Number(truncatingIfNeeded: next() % UInt64(Number.bitWidth))
        case 3: (1 << Number(truncatingIfNeeded: next() % UInt64(Number.bitWidth))) &- 1
        default: Number(truncatingIfNeeded: UInt128(next()) << 64 | UInt128(next()))
        }
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
