/// A trace, read: what it is like, and the generator that is fitted to it.
public struct TraceFit: Sendable {
    /// What the trace is like.
    public let summary: TraceSummary
    /// What makes requests like its own.
    public let generator: DemandGenerator
    /// The times of the first and the last request, in ticks.
    let start: Int64
    let end: Int64
    /// Requests of each second from then on.
    let seconds: [UInt32]

    /// Reads a trace twice: once for all counts, once for the answers' distribution by the eighths
    /// of the prompts. Memory does not grow with the requests.
    ///
    /// Rates are counted by the hour of the week if the trace is at least a week, by the hour of
    /// the day if it is at least a day, and else as one. Times and tokens are quantiles of what is
    /// there; of the spread of counts only what is more than chance (Poisson's, or that of sharing
    /// out) is kept.
    public init(_ reader: TraceReader) throws(TraceFault) {
        var counter = TraceCounter()
        try reader.forEach { counter.take($0) }
        var answers = AnswersByPrompt(counter)
        try reader.forEach { answers.take($0) }
        let span = counter.last - counter.first
        guard span > 0 else { throw reader.fault("all requests come at the same time") }
        let perSecond = Int128(counter.count) * Int128(TraceTime.second) / Int128(span)
        guard perSecond <= Int128(DemandGenerator.highestRate) else {
            throw reader.fault("over \(DemandGenerator.highestRate) requests come in a second")
        }
        let hours = HoursOfWeek(counter)
        let week = hours.weights
        generator = DemandGenerator(
            perWeek: hours.perWeek, week: week,
            bursts: BurstFit(counter, week: week).tables,
            context: QuantileTable(counts: TraceCounter.counts(counter.context)),
            generated: answers.tables)
        summary = counter.summary
        (start, end) = (counter.first, counter.last)
        seconds = counter.seconds
    }

    /// What requests of the fitted generator are like, over as long a time from the same hour of
    /// the week on.
    public func generated(seed: UInt64) -> TraceSummary {
        generator.summary(from: start, until: end, seed: seed)
    }
}

/// Distributions of answers for each eighth of the prompts; prompts of the same length are divided
/// in the order in which they come.
private struct AnswersByPrompt {
    private let count: Int64
    /// Of each length of prompts, how many are shorter or came before.
    private var ranks: [Int64]
    private var histograms = Array(repeating: [Int64](), count: DemandGenerator.parts)

    init(_ counter: TraceCounter) {
        count = counter.count
        var below: Int64 = 0
        ranks = counter.context.map { number in
            defer { below += number }
            return below
        }
    }

    mutating func take(_ request: TraceRequest) {
        // A file that changed between the two readings has prompts that were not counted.
        let place = min(request.context, ranks.count - 1)
        let part = min(
            Int(ranks[place] * Int64(DemandGenerator.parts) / count), DemandGenerator.parts - 1)
        ranks[place] += 1
        TraceCounter.add(request.generated, to: &histograms[part])
    }

    var tables: [QuantileTable] {
        let all = histograms.map { QuantileTable(counts: TraceCounter.counts($0)) }
        // Of fewer requests than eighths, an eighth without any is like the last that has some.
        var last = all[0]
        return zip(all, histograms).map { table, histogram in
            if !histogram.isEmpty { last = table }
            return last
        }
    }
}

/// Rates by the hour of the week.
private struct HoursOfWeek {
    /// Millionths of a request in a mean week.
    let perWeek: Int64
    /// 168 weights, 1,000 in the mean.
    let weights: [Int64]

    init(_ counter: TraceCounter) {
        // Hours that are told apart: of the week, of the day, or none.
        let length = counter.seconds.count
        let hours = length >= DemandGenerator.weekSeconds ? 168 : length >= 86_400 ? 24 : 1
        var counts = [Int64](repeating: 0, count: hours)
        var covered = [Int64](repeating: 0, count: hours)
        for (second, number) in counter.seconds.enumerated() {
            let ticks = counter.first + Int64(second) * TraceTime.second
            let hour = TraceTime.hourOfWeek(ticks) % hours
            counts[hour] += Int64(number)
            covered[hour] += 1
        }
        // Millionths of a request an hour.
        let rates = zip(counts, covered).map { number, seconds in
            Int128(number) * 3_600_000_000 / Int128(max(seconds, 1))
        }
        let sum = max(rates.reduce(0, +), 1)
        perWeek = max(Int64(sum * 168 / Int128(hours)), 1)
        weights = (0..<168).map { Int64(rates[$0 % hours] * Int128(hours) * 1_000 / sum) }
    }
}

/// Factors of the cascade of bursts.
private struct BurstFit {
    let tables: [QuantileTable]

    /// Factors are thousandths up to so many.
    private static let most = 1_000_000

    init(_ counter: TraceCounter, week: [Int64]) {
        let blocks = DemandGenerator.blocks.map { counter.blocks($0) }
        var tables = [BurstFit.ofMinutes(blocks[0], counter.first, week)]
        for level in 1..<blocks.count {
            let parts = DemandGenerator.blocks[level - 1] / DemandGenerator.blocks[level]
            tables.append(BurstFit.ofParts(blocks[level], of: blocks[level - 1], parts))
        }
        self.tables = tables
    }

    private static let steady = QuantileTable(QuantileTable.places.map { _ in 1_000 })

    /// Counts of minutes over what the hour of the week lets expect.
    private static func ofMinutes(
        _ counts: [Int64], _ first: Int64, _ week: [Int64]
    ) -> QuantileTable {
        let weights = counts.indices.map { minute in
            week[TraceTime.hourOfWeek(first + Int64(minute) * 60 * TraceTime.second)]
        }
        let (all, sum) = (counts.reduce(0, +), weights.reduce(0, +))
        var spread = Spread()
        for (count, weight) in zip(counts, weights) where weight > 0 && all > 0 {
            let factor = Int128(count) * Int128(sum) * 1_000 / (Int128(all) * Int128(weight))
            spread.take(factor, weight: 1)
            spread.noise += 1_000_000 * Int128(sum) / (Int128(all) * Int128(weight))
        }
        return spread.table
    }

    /// Counts of parts over a mean part of their whole; a whole counts by its requests.
    private static func ofParts(
        _ counts: [Int64], of wholes: [Int64], _ parts: Int
    ) -> QuantileTable {
        var spread = Spread()
        for (place, count) in counts.enumerated() {
            guard place / parts < wholes.count, wholes[place / parts] > 0 else { continue }
            let whole = wholes[place / parts]
            spread.take(
                Int128(count) * Int128(parts) * 1_000 / Int128(whole), weight: Int128(whole))
            spread.noise += Int128(parts - 1) * 1_000_000
        }
        return spread.table
    }

    /// Factors with their weights, and the variance that chance alone gives them.
    private struct Spread {
        private var histogram: [Int64] = []
        private var weights: Int128 = 0
        private var squares: Int128 = 0
        /// The sum of weight times variance of chance, in millionths.
        var noise: Int128 = 0

        mutating func take(_ factor: Int128, weight: Int128) {
            let factor = Int(min(factor, Int128(BurstFit.most)))
            if factor >= histogram.count {
                histogram += Array(repeating: 0, count: factor + 1 - histogram.count)
            }
            histogram[factor] += Int64(weight)
            weights += weight
            squares += weight * Int128((factor - 1_000) * (factor - 1_000))
        }

        /// Quantiles, drawn together around 1,000 so far that the variance left is not chance's.
        var table: QuantileTable {
            guard weights > 0, squares > noise else { return BurstFit.steady }
            let kept = Int64(Spread.root(UInt64((squares - noise) * 1_000_000 / squares)))
            let raw = QuantileTable(counts: TraceCounter.counts(histogram))
            let drawn = QuantileTable(raw.values.map { 1_000 + ($0 - 1_000) * kept / 1_000 })
            let mean = max(drawn.mean2000, 1)
            return QuantileTable(
                drawn.values.map { min($0 * 2_000_000 / mean, Int64(BurstFit.most)) })
        }

        /// The whole part of a square root, by Newton's steps from above.
        private static func root(_ number: UInt64) -> UInt64 {
            if number < 2 { return number }
            var guess = number / 2 + 1
            while guess > number / guess { guess = (guess + number / guess) / 2 }
            return guess
        }
    }
}
