/// Requests for inference as a random process: how many come when, and how large they are.
///
/// Fitted to a trace (`TraceFit`) or one of those built in (`DemandGenerator.named`). All of it is
/// whole numbers and draws by counter, so the same seed gives the same requests on any machine.
///
/// - **Rate**: a mean over the week, times a weight for each hour of it.
/// - **Bursts**: a conservative cascade. Each minute has a factor around 1; its requests are shared
///   out among its six parts of ten seconds by factors of theirs, and those of a part among its
///   seconds. Within a second requests come at random (Poisson).
/// - **Sizes**: the prompt's tokens from one distribution, the answer's from one of eight, by which
///   eighth of all prompts the prompt is in: the joint distribution, in eighths.
public struct DemandGenerator: Hashable, Sendable {
    /// Millionths of a request in a mean week.
    let perWeek: Int64
    /// A weight for each hour of the week, from Monday midnight UTC.
    let week: [Int64]
    /// Factors of a minute, of ten seconds, of a second: thousandths, 1,000 in the mean.
    let bursts: [QuantileTable]
    /// Tokens of prompts.
    let context: QuantileTable
    /// Tokens of answers, for each eighth of the prompts.
    let generated: [QuantileTable]
    private let weekSum: Int64

    /// Seconds of a block of each level of the cascade.
    static let blocks = [60, 10, 1]
    /// Parts of the distribution of prompts that have a distribution of answers.
    static let parts = 8
    /// Seconds of a week.
    static let weekSeconds = 604_800
    /// The highest mean rate, requests a second.
    static let highestRate: Int64 = 1_000_000

    init(
        perWeek: Int64, week: [Int64], bursts: [QuantileTable], context: QuantileTable,
        generated: [QuantileTable]
    ) {
        precondition(week.count == 168 && bursts.count == 3 && generated.count == Self.parts)
        self.perWeek = perWeek
        self.week = week
        self.bursts = bursts
        self.context = context
        self.generated = generated
        weekSum = max(1, week.reduce(0, +))
    }

    /// Requests a second, in the mean.
    public var requestsPerSecond: Double {
        Double(perWeek) / 1_000_000 / Double(DemandGenerator.weekSeconds)
    }

    /// The size of a request, from two random words.
    func size(_ first: UInt64, _ second: UInt64) -> (context: Int64, generated: Int64) {
        (context.value(at: first), generated[Int(first >> 61)].value(at: second))
    }

    /// Millionths of a request that a minute brings, counted from a Monday midnight.
    func inMinute(_ minute: Int, _ draws: Draws) -> Int64 {
        let mean = Int128(perWeek) * Int128(week[minute / 60 % 168]) / Int128(weekSum * 60)
        let factor = bursts[0].value(at: draws.stream(.burst)[minute])
        return Int64(mean * Int128(factor) / 1_000)
    }

    /// Millionths of a request in each second of a minute.
    func seconds(of minute: Int, _ draws: Draws) -> [Int64] {
        var seconds: [Int64] = []
        let tens = shares(of: inMinute(minute, draws), level: 1, from: minute * 6, 6, draws)
        for (place, ten) in tens.enumerated() {
            let first = minute * 60 + place * 10
            seconds += shares(of: ten, level: 2, from: first, 10, draws)
        }
        return seconds
    }

    /// Shares of a block's requests out among its parts, exactly.
    private func shares(
        of whole: Int64, level: Int, from first: Int, _ count: Int, _ draws: Draws
    ) -> [Int64] {
        let luck = draws.stream(.burst, step: level)
        var weights = (0..<count).map { bursts[level].value(at: luck[first + $0]) }
        var sum = weights.reduce(0, +)
        if sum == 0 {
            weights = weights.map { _ in 1 }
            sum = Int64(count)
        }
        var (before, below): (Int64, Int64) = (0, 0)
        return weights.map { weight in
            below += weight
            let bound = Int64(Int128(whole) * Int128(below) / Int128(sum))
            defer { before = bound }
            return bound - before
        }
    }

    /// Sizes that stand for sixteenths of all requests, in sixty-fourths of a token: the means over
    /// an eighth of the prompts and the lower or upper half of their answers.
    var sizes: [(context: Int64, generated: Int64)] {
        let eighth = UInt64(1) << 61
        return (0..<2 * DemandGenerator.parts).map { size in
            let (part, half) = (size / 2, UInt64(size % 2))
            let from = UInt64(part) * eighth
            // The last bounds are 2^64, which is one more than fits.
            let prompts = context.mean64(
                from: from, upTo: part == DemandGenerator.parts - 1 ? .max : from + eighth)
            let answers = generated[part].mean64(
                from: half << 63, upTo: half == 1 ? .max : 1 << 63)
            return (prompts, answers)
        }
    }
}
