import Primitives

extension SplitMix64 {
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
