/// What became of one seed, or of many.
public struct SimulationReport: Sendable {
    /// Seeds that were run.
    public var seeds = 0
    /// Simulated nanoseconds.
    public var nanoseconds: UInt64 = 0
    /// Steps taken.
    public var steps = 0
    /// What happened, by kind, how often.
    public var counts: [String: Int] = [:]
    /// Identifies everything that happened, in order (FNV-1a).
    public var trace: UInt64 = 0xCBF2_9CE4_8422_2325
    /// What went wrong, if anything did.
    public var failure: String?

    /// Nothing yet.
    public init() {}

    mutating func note(_ kind: String, _ detail: UInt64 = 0) {
        counts[kind, default: 0] += 1
        for byte in kind.utf8 { mix(UInt64(byte)) }
        mix(detail)
    }

    private mutating func mix(_ value: UInt64) {
        trace = (trace ^ value) &* 0x100_0000_01B3
    }

    /// Adds another seed's.
    public mutating func add(_ other: SimulationReport) {
        seeds += other.seeds
        nanoseconds += other.nanoseconds
        steps += other.steps
        counts.merge(other.counts, uniquingKeysWith: +)
        mix(other.trace)
        if failure == nil { failure = other.failure }
    }

    /// A few lines for a person.
    public var words: String {
        let hours = Double(nanoseconds) / 3.6e12
        let lines = counts.keys.sorted().map { "  \($0): \(counts[$0] ?? 0)" }
        return "\(seeds) seeds, \(steps) steps, \((hours * 100).rounded() / 100) simulated hours\n"
            + lines.joined(separator: "\n")
    }
}
