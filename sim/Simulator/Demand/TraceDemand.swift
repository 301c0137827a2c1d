import Cryptography
import Primitives

/// Demand as a trace has it, for a model whose jobs are bundles of requests alike: how much of it
/// each step has, and how large jobs are.
public struct TraceDemand: Hashable, Sendable {
    /// Where it is from.
    public enum Kind: String, CaseIterable, Codable, Sendable {
        /// A generator that is built in.
        case generator
        /// The requests of a file, step by step; when it ends it begins anew.
        case trace
        /// A generator that is fitted to a file.
        case fitted
    }

    /// Where it is from.
    public let kind: Kind
    /// The generator's name, or the file's.
    public let name: String
    /// Requests that a job bundles.
    public let requests: Int
    /// Seconds of the trace that a step takes.
    public let stepSeconds: Int
    private let generator: DemandGenerator
    /// Requests of each step of a trace; empty for a generator.
    private let counts: [Int64]
    private let total: Int64

    /// The most requests of a job.
    public static let mostRequests = 1_000_000
    /// The most tokens of a job's prompts or answers.
    static let mostTokens: Int64 = 100_000_000

    /// A generator's demand. Steps are whole minutes, a week at most.
    public init(
        _ generator: DemandGenerator, kind: Kind, name: String, requests: Int, stepSeconds: Int
    ) throws(ScenarioError) {
        let most = DemandGenerator.weekSeconds
        guard stepSeconds.isMultiple(of: 60), (60...most).contains(stepSeconds) else {
            throw ScenarioError(
                "a step of a generator takes whole minutes, 60 to \(most) seconds, not "
                    + "\(stepSeconds)")
        }
        try self.init(generator, kind, name, requests, stepSeconds, counts: [])
    }

    /// A trace's demand. Only whole steps of it count, and there must be one.
    public init(
        replaying fit: TraceFit, name: String, requests: Int, stepSeconds: Int
    ) throws(ScenarioError) {
        let steps = stepSeconds > 0 ? fit.seconds.count / stepSeconds : 0
        if steps == 0 {
            throw ScenarioError(
                "the trace has \(fit.seconds.count) seconds and a step takes \(stepSeconds); say "
                    + "with `step` how many of them are one, or take it as `fitted`")
        }
        let counts = (0..<steps).map { step in
            fit.seconds[step * stepSeconds..<(step + 1) * stepSeconds].reduce(0) { $0 + Int64($1) }
        }
        if counts.allSatisfy({ $0 == 0 }) {
            throw ScenarioError("the trace has no request in a whole step")
        }
        try self.init(fit.generator, .trace, name, requests, stepSeconds, counts: counts)
    }

    private init(
        _ generator: DemandGenerator, _ kind: Kind, _ name: String, _ requests: Int,
        _ stepSeconds: Int, counts: [Int64]
    ) throws(ScenarioError) {
        self.kind = kind
        self.name = name
        self.requests = requests
        self.stepSeconds = stepSeconds
        self.generator = generator
        self.counts = counts
        total = counts.reduce(0, +)
        if sizes.contains(where: { max($0.prompt, $0.output) > TraceDemand.mostTokens }) {
            throw ScenarioError(
                "a job of \(requests) requests can have over \(TraceDemand.mostTokens) tokens; "
                    + "bundle fewer")
        }
    }

    /// Sizes of jobs, in tokens: the mean one, then sixteen that are each as likely.
    var sizes: [(prompt: Int64, output: Int64)] {
        func tokens(_ sixtyFourths: Int64, of requests: Int64) -> Int64 {
            max(4, (sixtyFourths * requests + 32) / 64)
        }
        let all = generator.sizes
        let number = Int64(all.count)
        let (prompts, answers) = all.reduce((Int64(0), Int64(0))) {
            ($0.0 + $1.context, $0.1 + $1.generated)
        }
        let mean = (prompts / number, answers / number)
        return ([mean] + all).map { prompt, answer in
            (tokens(prompt, of: Int64(requests)), tokens(answer, of: Int64(requests)))
        }
    }

    /// Demand in a step over that of a mean one, in millionths. Generators begin on a Monday.
    func level(of step: Int, _ draws: Draws) -> Int64 {
        if !counts.isEmpty {
            let count = Int128(counts[step % counts.count]) * 1_000_000
            return Int64(clamping: count * Int128(counts.count) / Int128(total))
        }
        let minutes = stepSeconds / 60
        let sum = (step * minutes..<(step + 1) * minutes).reduce(Int128(0)) { sum, minute in
            sum + Int128(generator.inMinute(minute, draws))
        }
        let week = Int128(DemandGenerator.weekSeconds)
        let mean = Int128(generator.perWeek) * Int128(stepSeconds)
        return Int64(clamping: sum * 1_000_000 * week / mean)
    }

    /// Demand in each of so many steps over that of a mean one, in millionths.
    public func levels(steps: Int, seed: UInt64) -> [Int64] {
        let draws = Draws(seed: seed)
        return (0..<steps).map { level(of: $0, draws) }
    }

    /// SHA-256 of all that decides, but the name: what a study's hash counts.
    var digest: String {
        var writer = ByteWriter()
        for number in [requests, stepSeconds, counts.count] { writer.write(UInt64(number)) }
        for count in counts { writer.write(UInt64(count)) }
        writer.write(UInt64(generator.perWeek))
        let tables = generator.bursts + [generator.context] + generator.generated
        for number in generator.week + tables.flatMap(\.values) { writer.write(UInt64(number)) }
        return Hex.encode(SHA256.hash(writer.bytes).bytes)
    }
}
