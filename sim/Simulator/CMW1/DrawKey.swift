/// The random numbers of one step and one purpose, by index: no order of draws exists.
///
/// Three rounds of SplitMix64's finaliser (Steele, Lea, Flood 2014) over seed, step, kind and
/// index, as CMW-1 defines them; the first two are done here once for all indices.
struct DrawKey {
    /// The golden ratio's bits, which set the words apart.
    static let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15

    private let key: UInt64

    /// The numbers of this kind at this step.
    init(seed: UInt64, step: UInt64, kind: UInt64) {
        let ofStep = DrawKey.mix(seed &+ DrawKey.gamma &* (step &+ 1))
        key = DrawKey.mix(ofStep &+ DrawKey.gamma &* (kind &+ 1))
    }

    /// The number at an index, at least 0 and below `limit`.
    @inline(__always)
    func number(_ index: Int, below limit: UInt32) -> Int32 {
        let word = DrawKey.mix(key &+ DrawKey.gamma &* UInt64(truncatingIfNeeded: index &+ 1))
        return Int32(truncatingIfNeeded: ((word >> 32) &* UInt64(limit)) >> 32)
    }

    /// SplitMix64's finaliser.
    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        var word = value
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// A running checksum with one more number in it.
    @inline(__always)
    static func fold(_ sum: UInt64, _ value: Int64) -> UInt64 {
        mix((sum ^ UInt64(bitPattern: value)) &+ gamma)
    }
}
