public import Economics
import Primitives

/// What is simulated: who takes part, at what costs, for how long, under which rules.
public struct Scenario: Hashable, Sendable {
    /// Every random choice follows from it.
    public var seed: UInt64 = 1
    /// Jobs that buyers ask for.
    public var jobs = 10_000
    /// Whole-model providers.
    public var providers = 20
    /// How many of them cheat: they run a cheaper model than they offer.
    public var cheaters = 5
    /// The part of its jobs a cheater cheats on, in thousandths.
    public var cheatPerMille: UInt32 = 1_000
    /// Nodes that only verify.
    public var verifiers = 3
    /// Buyers.
    public var buyers = 10
    /// Each provider's bond, in dollars.
    public var bondDollars: UInt64 = 100
    /// What a million output tokens cost an honest provider, in micro-dollars.
    public var honestCostMicros: UInt64 = 200_000
    /// What they cost a cheater who serves the cheap model, in micro-dollars.
    public var cheatCostMicros: UInt64 = 50_000
    /// The mean price of a million output tokens, in micro-dollars; a prompt token costs a quarter.
    public var priceMicros: UInt64 = 400_000
    /// How far prices spread around the mean, in thousandths.
    public var spreadPerMille: UInt64 = 200
    /// Jobs asked for each second.
    public var jobsPerSecond = 10
    /// How long a job runs, in seconds: with eight jobs at a time a provider, this is what makes
    /// demand spill over from the cheapest provider to the next.
    public var jobSeconds: UInt64 = 12
    /// Seconds between two draws of audits.
    public var drawSeconds: UInt64 = 10
    /// The rules, the very record that production reads.
    public var parameters = Scenario.defaultParameters

    /// The defaults written above.
    public init() {}

    /// Why the scenario cannot be run, or `nil`.
    public var problem: String? {
        if !(1...10_000_000).contains(jobs) { return "jobs must be between 1 and 10,000,000" }
        if !(1...1_000).contains(providers) { return "providers must be between 1 and 1,000" }
        if !(0...providers).contains(cheaters) { return "cheaters must be at most the providers" }
        if cheatPerMille > 1_000 { return "cheat-per-mille must be at most 1000" }
        if !(1...100).contains(verifiers) { return "verifiers must be between 1 and 100" }
        if !(1...1_000).contains(buyers) { return "buyers must be between 1 and 1,000" }
        if !(1...10_000).contains(jobsPerSecond) { return "jobs-per-second must be 1 to 10,000" }
        if !(1...86_400).contains(drawSeconds) { return "draw-seconds must be 1 to 86,400" }
        if !(1...600).contains(jobSeconds) { return "job-seconds must be 1 to 600" }
        if spreadPerMille >= 1_000 { return "spread-per-mille must be below 1000" }
        if !(1...1_000_000_000).contains(priceMicros) { return "the price is out of range" }
        if !(1...1_000_000_000).contains(bondDollars) { return "the bond is out of range" }
        let bond = Amount(UInt128(bondDollars) * 1_000_000_000_000)
        if bond < parameters.minimumBond { return "the bond is below the minimum bond" }
        if parameters.jobTimeoutSeconds <= UInt32(jobSeconds) {
            return "jobs take longer than the rules let them"
        }
        return parameters.problem
    }

    /// Production's defaults with windows that fit a run of some minutes.
    private static var defaultParameters: Parameters {
        var parameters = Parameters()
        parameters.challengeWindow = .seconds(60)
        parameters.appealWindow = .seconds(120)
        parameters.auditTimeout = .seconds(30)
        parameters.epochLength = .seconds(300)
        return parameters
    }
}
