/// What a trace, or a generator's requests, are like. Names in JSON are those of the coding keys.
public struct TraceSummary: Codable, Hashable, Sendable {
    /// A distribution of tokens.
    public struct Tokens: Codable, Hashable, Sendable {
        /// The mean.
        public var mean: Double
        /// Quantiles by their per cent: the least value that so many are at or below.
        public var p1, p5, p25, p50, p75, p90, p95, p99: Int
        /// The largest.
        public var most: Int

        enum CodingKeys: String, CodingKey {
            case mean, p1, p5, p25, p50, p75, p90, p95, p99
            case most = "max"
        }

        /// The quantiles with their names, ascending.
        public var quantiles: [(name: String, value: Int)] {
            [
                ("p1", p1), ("p5", p5), ("p25", p25), ("p50", p50), ("p75", p75), ("p90", p90),
                ("p95", p95), ("p99", p99), ("max", most),
            ]
        }
    }

    /// Requests.
    public var requests: Int
    /// Seconds from the first to the last.
    public var seconds: Double
    /// Requests a second.
    public var rate: Double
    /// Standard deviation over mean of the times between requests; 1 for a Poisson process.
    public var gapVariation: Double
    /// Variance over mean of counts in blocks of 1, 10 and 60 seconds; 1 for a Poisson process.
    public var dispersion: [Double]
    /// Requests of the busiest minute over those of a mean one.
    public var peakMinute: Double
    /// Tokens of prompts.
    public var context: Tokens
    /// Tokens of answers.
    public var generated: Tokens
    /// Pearson's correlation of the two.
    public var correlation: Double

    enum CodingKeys: String, CodingKey {
        case requests, seconds, dispersion, context, generated, correlation
        case rate = "requests_per_second"
        case gapVariation = "gap_variation"
        case peakMinute = "peak_minute"
    }
}

/// Counts requests as they come: exact histograms and sums, so memory does not grow with them but
/// with the tokens of the largest and the seconds from first to last.
struct TraceCounter {
    private(set) var count: Int64 = 0
    private(set) var first: Int64 = 0
    private(set) var last: Int64 = 0
    /// Requests by tokens.
    private(set) var context: [Int64] = []
    private(set) var generated: [Int64] = []
    /// Requests of each second from the first request on.
    private(set) var seconds: [UInt32] = []
    private var squaredGaps = 0.0
    private var products: Int128 = 0

    mutating func take(_ request: TraceRequest) {
        if count == 0 { first = request.ticks }
        let gap = count == 0 ? 0 : Double(request.ticks - last)
        squaredGaps += gap * gap
        last = request.ticks
        count += 1
        TraceCounter.add(request.context, to: &context)
        TraceCounter.add(request.generated, to: &generated)
        products += Int128(request.context) * Int128(request.generated)
        let second = Int((request.ticks - first) / TraceTime.second)
        if second >= seconds.count {
            seconds += Array(repeating: 0, count: second + 1 - seconds.count)
        }
        seconds[second] += 1
    }

    /// Counts a value in a histogram that grows as it must.
    static func add(_ value: Int, to histogram: inout [Int64]) {
        if value >= histogram.count {
            histogram += Array(repeating: 0, count: value + 1 - histogram.count)
        }
        histogram[value] += 1
    }

    /// The counted values of a histogram, ascending.
    static func counts(
        _ histogram: [Int64]
    ) -> some Sequence<(value: Int64, count: Int64)> {
        histogram.lazy.enumerated().filter { $0.element > 0 }
            .map { (value: Int64($0.offset), count: $0.element) }
    }

    var summary: TraceSummary {
        let span = Double(last - first) / Double(TraceTime.second)
        let gaps = Double(max(count - 1, 1))
        let gap = Double(last - first) / gaps
        let variance = max(squaredGaps / gaps - gap * gap, 0)
        let minutes = blocks(60)
        let mean = Double(minutes.reduce(0, +)) / Double(max(minutes.count, 1))
        return TraceSummary(
            requests: Int(count), seconds: span, rate: span > 0 ? Double(count) / span : 0,
            gapVariation: gap > 0 ? variance.squareRoot() / gap : 0,
            dispersion: [1, 10, 60].map { dispersion(blocks($0)) },
            peakMinute: mean > 0 ? Double(minutes.max() ?? 0) / mean : 0,
            context: tokens(context), generated: tokens(generated), correlation: correlation)
    }

    /// Requests of each whole block of so many seconds.
    func blocks(_ length: Int) -> [Int64] {
        (0..<seconds.count / length).map { block in
            seconds[block * length..<(block + 1) * length].reduce(0) { $0 + Int64($1) }
        }
    }

    private func dispersion(_ counts: [Int64]) -> Double {
        let sum = Double(counts.reduce(0, +))
        guard sum > 0 else { return 0 }
        let mean = sum / Double(counts.count)
        let squares = counts.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        return squares / Double(counts.count) / mean
    }

    private func tokens(_ histogram: [Int64]) -> TraceSummary.Tokens {
        func quantile(_ perCent: Int64) -> Int {
            let rank = (count * perCent + 99) / 100
            var below: Int64 = 0
            for (value, number) in histogram.enumerated() {
                below += number
                if below >= max(rank, 1) { return value }
            }
            return 0
        }
        return TraceSummary.Tokens(
            mean: Double(sum(histogram)) / Double(max(count, 1)), p1: quantile(1), p5: quantile(5),
            p25: quantile(25), p50: quantile(50), p75: quantile(75), p90: quantile(90),
            p95: quantile(95), p99: quantile(99), most: max(histogram.count - 1, 0))
    }

    private func sum(_ histogram: [Int64], power: Int = 1) -> Int128 {
        var sum: Int128 = 0
        for (value, number) in histogram.enumerated() where number > 0 {
            sum += Int128(number) * (power == 1 ? Int128(value) : Int128(value) * Int128(value))
        }
        return sum
    }

    private var correlation: Double {
        let (x, y) = (sum(context), sum(generated))
        let all = Int128(count)
        let (xx, yy) = (
            all * sum(context, power: 2) - x * x, all * sum(generated, power: 2) - y * y
        )
        guard xx > 0, yy > 0 else { return 0 }
        return Double(all * products - x * y) / (Double(xx).squareRoot() * Double(yy).squareRoot())
    }
}
