import Primitives

/// Random numbers by counter for choosing points and resamples: no draw depends on another.
struct SampleRandom: Sendable {
    /// What a number is drawn for.
    enum Purpose: UInt64 {
        case monteCarlo = 101
        case latinHypercube = 102
        case permutation = 103
        case morris = 104
        case bootstrap = 105
        case replicate = 106
    }

    let seed: UInt64
    let purpose: Purpose

    /// The number at this place: rounds of SplitMix64 over seed, purpose and place.
    func number(_ first: UInt64, _ second: UInt64 = 0) -> UInt64 {
        mix(mix(mix(mix(seed) ^ purpose.rawValue) ^ first) ^ second)
    }

    /// A number below `limit`, by multiplication.
    func number(_ first: UInt64, _ second: UInt64 = 0, below limit: Int) -> Int {
        Int(number(first, second).multipliedFullWidth(by: UInt64(limit)).high)
    }

    /// The numbers below `count` in a random order (Fisher and Yates).
    func permutation(of count: Int, stream: UInt64) -> [Int] {
        var order = Array(0..<count)
        for place in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(place, number(stream, UInt64(place), below: place + 1))
        }
        return order
    }

    private func mix(_ value: UInt64) -> UInt64 {
        var generator = SplitMix64(seed: value)
        return generator.next()
    }
}
