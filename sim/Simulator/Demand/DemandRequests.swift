/// The requests of a generator, one after the other.
///
/// A Poisson process of rate 1 on the axis of requests expected so far (the time change), so a
/// request takes one exponential draw wherever it falls.
struct DemandRequests: Sequence, IteratorProtocol {
    private let generator: DemandGenerator
    private let draws: Draws
    /// The start of minute 0, in ticks: a Monday midnight, or up to a minute later.
    private let origin: Int64
    private var minute: Int
    private var seconds: [Int64]
    private var second: Int
    /// What is left to go, within the second, to the next request: millionths.
    private var due: Int64 = 0
    private var count = 0

    /// The requests from a time on, in ticks. The blocks of bursts begin there.
    init(_ generator: DemandGenerator, seed: UInt64, from ticks: Int64) {
        self.generator = generator
        draws = Draws(seed: seed)
        let since = (ticks / TraceTime.second + 3 * 86_400) % Int64(DemandGenerator.weekSeconds)
        minute = Int(since / 60)
        origin = ticks - Int64(minute) * 60 * TraceTime.second
        second = 0
        seconds = generator.seconds(of: minute, draws)
    }

    mutating func next() -> TraceRequest? {
        due += Exponential.millionths(draws.stream(.arrival)[count])
        while due >= seconds[second] {
            due -= seconds[second]
            second += 1
            guard second == 60 else { continue }
            second = 0
            minute += 1
            seconds = generator.seconds(of: minute, draws)
        }
        let within = Int64(Int128(due) * Int128(TraceTime.second) / Int128(seconds[second]))
        let (context, generated) = generator.size(
            draws.stream(.promptTokens)[count], draws.stream(.outputTokens)[count])
        count += 1
        let time = Int64(minute * 60 + second) * TraceTime.second + within
        return TraceRequest(
            ticks: origin + time, context: Int(context), generated: Int(generated))
    }
}

extension DemandGenerator {
    /// A Monday midnight, UTC: 13 May 2024.
    static let monday = Int64(19_856) * 24 * TraceTime.hour

    /// What so many requests are like, from a Monday midnight on.
    public func summary(requests: Int, seed: UInt64) -> TraceSummary {
        var counter = TraceCounter()
        for request in DemandRequests(self, seed: seed, from: Self.monday).prefix(requests) {
            counter.take(request)
        }
        return counter.summary
    }

    /// What the requests of so many seconds are like, from a time on that is written as in a trace.
    public func summary(
        from time: String, seconds: Int, seed: UInt64
    ) throws(ScenarioError) -> TraceSummary {
        let start = try TraceTime.read(Array(time.utf8)[...]).ticks
        return summary(from: start, until: start + Int64(seconds) * TraceTime.second, seed: seed)
    }

    /// What the requests between two times in ticks are like.
    func summary(from start: Int64, until end: Int64, seed: UInt64) -> TraceSummary {
        var counter = TraceCounter()
        for request in DemandRequests(self, seed: seed, from: start) {
            if request.ticks > end || counter.count == TraceReader.mostRequests { break }
            counter.take(request)
        }
        return counter.summary
    }

    /// So many requests as the text of a trace in the form of 2024, from 13 May 2024 on.
    public func sample(requests: Int, seed: UInt64) -> String {
        var lines = [TraceReader.header]
        for request in DemandRequests(self, seed: seed, from: Self.monday).prefix(requests) {
            let time = TraceTime.text(request.ticks)
            lines.append("\(time),\(request.context),\(request.generated)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension DemandGenerator: Encodable {
    private enum CodingKeys: String, CodingKey {
        case requestsPerSecond = "requests_per_second"
        case perWeek = "requests_per_week_millionths"
        case week, places, bursts, context, generated
    }

    /// Writes it in full: tables of quantiles at `places`, in thousandths.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(requestsPerSecond, forKey: .requestsPerSecond)
        try fields.encode(perWeek, forKey: .perWeek)
        try fields.encode(week, forKey: .week)
        try fields.encode(QuantileTable.places, forKey: .places)
        try fields.encode(bursts.map(\.values), forKey: .bursts)
        try fields.encode(context.values, forKey: .context)
        try fields.encode(generated.map(\.values), forKey: .generated)
    }
}

/// Exponential draws without floating point.
enum Exponential {
    /// ln 2 in 2^-32.
    private static let ln2: UInt64 = 2_977_044_472

    /// -ln(u) in millionths for a word as a fraction u of 2^64 above 0: mean 1,000,000.
    ///
    /// The binary logarithm bit by bit: a number in [1, 2) squared is 2 or more where the next bit
    /// of its logarithm is 1 (Knuth, TAOCP 1, 1.2.2, exercise 25). 32 bits.
    static func millionths(_ word: UInt64) -> Int64 {
        let word = word | 1
        let shift = word.leadingZeroBitCount
        var number = word << UInt64(shift)
        var bits: UInt64 = 0
        for _ in 0..<32 {
            let square = number.multipliedFullWidth(by: number)
            let isTwo = square.high >> 63 == 1
            bits = bits << 1 | (isTwo ? 1 : 0)
            number = isTwo ? square.high : square.high << 1 | square.low >> 63
        }
        // 64 less the logarithm, in 2^-32.
        let less = UInt64(shift + 1) << 32 - bits
        let natural = less.multipliedFullWidth(by: ln2)
        let scaled = (natural.high << 32 | natural.low >> 32).multipliedFullWidth(by: 1_000_000)
        return Int64(scaled.high << 32 | scaled.low >> 32)
    }
}
