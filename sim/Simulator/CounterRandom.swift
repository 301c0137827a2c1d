/// Random numbers without a state: the same seed, step and purpose always give the same number, so
/// two policies can be compared under the same luck and no draw depends on the order of draws.
struct CounterRandom: Sendable {
    /// What a number is drawn for.
    enum Purpose: UInt64 {
        case price = 1
        case buyer = 2
        case promptTokens = 3
        case outputTokens = 4
        case cheat = 5
        case beacon = 6
    }

    let seed: UInt64

    /// The number for this purpose and step: three rounds of SplitMix64's finaliser (Steele, Lea,
    /// Flood 2014) over seed, purpose and step.
    func number(_ purpose: Purpose, _ step: UInt64) -> UInt64 {
        mix(mix(mix(seed) ^ purpose.rawValue) ^ step)
    }

    /// A number below `limit`, by multiplication (Lemire 2019, without the correction: the bias is
    /// below limit / 2^64).
    func number(_ purpose: Purpose, _ step: UInt64, below limit: UInt64) -> UInt64 {
        number(purpose, step).multipliedFullWidth(by: limit).high
    }

    private func mix(_ value: UInt64) -> UInt64 {
        var word = value &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
