import Primitives

/// Random numbers without a state: the same seed, step, purpose and index always give the same
/// number. So two policies can be compared under the same luck, and no draw depends on the order of
/// draws.
struct Draws: Hashable, Sendable {
    /// What a number is drawn for. Numbers are stable: results of earlier versions depend on them.
    enum Purpose: UInt64 {
        case hardware = 1
        case strategy = 2
        case price = 3
        case reserve = 4
        case endowment = 5
        case buyerKind = 6
        case value = 7
        case wanted = 8
        case verifierKind = 9
        case traderKind = 10
        case turn = 11
        case beacon = 12
        case cheat = 13
        case detection = 14
        case accusation = 15
        case appeal = 16
        case bug = 17
        case reprice = 18
        case entry = 19
        case noise = 20
        case restake = 21
        case silence = 22
        case buyer = 23
        case promptTokens = 24
        case outputTokens = 25
        case burst = 26
        case arrival = 27
        case jobSize = 28
        // For choosing points and resamples of studies.
        case monteCarlo = 101
        case latinHypercube = 102
        case permutation = 103
        case morris = 104
        case bootstrap = 105
        case replicate = 106
    }

    private let root: UInt64

    init(seed: UInt64) { root = Draws.mix(seed) }

    /// The draws of one purpose in one step.
    @inline(__always)
    func stream(_ purpose: Purpose, step: Int = 0) -> Stream {
        Stream(
            key: Draws.mix(Draws.mix(root ^ purpose.rawValue) ^ UInt64(truncatingIfNeeded: step)))
    }

    /// Numbers by index.
    struct Stream {
        let key: UInt64

        /// 64 random bits.
        @inline(__always)
        subscript(index: Int) -> UInt64 { Draws.mix(key ^ UInt64(truncatingIfNeeded: index)) }

        /// A number below `limit`, by multiplication (Lemire 2019, without the correction: the bias
        /// is below limit / 2^64).
        @inline(__always)
        func below(_ limit: Int64, _ index: Int) -> Int64 {
            Int64(truncatingIfNeeded: self[index].multipliedFullWidth(by: UInt64(limit)).high)
        }

        /// Whether something of this chance happens.
        @inline(__always)
        func happens(perMille: Int64, _ index: Int) -> Bool { below(1_000, index) < perMille }

        /// The numbers below `count` in a random order (Fisher and Yates).
        func permutation(of count: Int) -> [Int] {
            var order = Array(0..<count)
            for place in stride(from: count - 1, to: 0, by: -1) {
                order.swapAt(place, Int(below(Int64(place + 1), place)))
            }
            return order
        }
    }

    /// A round of SplitMix64.
    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        var generator = SplitMix64(seed: value)
        return generator.next()
    }
}
