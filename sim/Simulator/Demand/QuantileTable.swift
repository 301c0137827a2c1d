/// A distribution of whole numbers as its quantiles at fixed places, with straight lines between:
/// what a generator draws from. Integers only, so every machine draws the same.
struct QuantileTable: Hashable, Sendable {
    /// The places, in thousandths: denser at both ends, where traces have their tails.
    static let places: [Int64] = [
        0, 10, 25, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 650, 700, 750, 800,
        850, 900, 925, 950, 975, 990, 999, 1_000,
    ]
    /// Of each thousandth, the last place that is not above it.
    private static let segments: [Int] = (0..<1_000).map { thousandth in
        (places.lastIndex { $0 <= Int64(thousandth) }) ?? 0
    }

    /// The quantiles at the places, ascending, each from 0 to 2^20.
    let values: [Int64]

    /// A table of as many values as there are places.
    init(_ values: [Int64]) {
        precondition(values.count == QuantileTable.places.count, "a value for each place")
        self.values = values
    }

    /// The quantiles of counted values: `counts` are ascending by value. O(values).
    init(counts: some Sequence<(value: Int64, count: Int64)>) {
        let counts = Array(counts)
        let all = counts.reduce(0) { $0 + $1.count }
        var values: [Int64] = []
        var (next, below): (Int, Int64) = (0, 0)
        for place in QuantileTable.places where all > 0 {
            let rank = Int64(Int128(all - 1) * Int128(place) / 1_000)
            while next + 1 < counts.count, below + counts[next].count <= rank {
                below += counts[next].count
                next += 1
            }
            values.append(counts[next].value)
        }
        self.init(all > 0 ? values : QuantileTable.places.map { _ in 0 })
    }

    /// The value at a fraction of 2^64, rounded to the nearest.
    func value(at fraction: UInt64) -> Int64 {
        let (thousandth, rest) = fraction.multipliedFullWidth(by: 1_000)
        let segment = QuantileTable.segments[Int(thousandth)]
        let (low, high) = (values[segment], values[segment + 1])
        if low == high { return low }
        let from = QuantileTable.places[segment]
        let width = QuantileTable.places[segment + 1] - from
        // 32 bits behind the point: differences of 2^20 times a thousand of them fit.
        let way = (Int64(thousandth) - from) << 32 | Int64(rest >> 32)
        return low + ((high - low) * way + width << 31) / (width << 32)
    }

    /// Two thousand times the mean.
    var mean2000: Int64 {
        (1..<values.count).reduce(0) { sum, place in
            let width = QuantileTable.places[place] - QuantileTable.places[place - 1]
            return sum + (values[place] + values[place - 1]) * width
        }
    }

    /// The mean of the part of the distribution between two fractions, in sixty-fourths of a value.
    func mean64(from low: UInt64, upTo high: UInt64) -> Int64 {
        let width = (high - low) / 64
        return (0..<UInt64(64)).reduce(0) { $0 + value(at: low + width * $1 + width / 2) }
    }
}
