import Clearing
public import Primitives

/// What a run says about one group of providers, in dollars' ledger units; losses are negative.
public struct GroupResult: Hashable, Sendable {
    /// How many providers.
    public let providers: Int
    /// Jobs they were paid or refused pay for.
    public let jobs: Int
    /// Jobs they cheated on.
    public let cheatedJobs: Int
    /// What they were paid.
    public let revenue: Amount
    /// What computing cost them.
    public let computeCost: Amount
    /// Bond they lost.
    public let slashed: Amount
    /// How many were tombstoned.
    public let tombstoned: Int
    /// Incentive tokens they earned, in TLY.
    public let emission: Amount

    /// Revenue less cost less what was slashed: positive for a profit.
    public var profit: Int128 {
        Int128(revenue.units) - Int128(computeCost.units) - Int128(slashed.units)
    }
}

/// Whether cheating paid: the same providers under the same luck, cheating and honest.
public struct CheatingReport: Hashable, Sendable {
    /// The scenario that was run.
    public let scenario: Scenario
    /// The cheaters, cheating.
    public let cheating: GroupResult
    /// The same providers, honest.
    public let sameHonest: GroupResult
    /// The other providers beside the cheaters.
    public let others: GroupResult
    /// Verdicts recorded.
    public let audits: Int
    /// Verdicts that convicted.
    public let convictions: Int
    /// Jobs nobody could take.
    public let unserved: Int
    /// Whether the cheaters ended better off than they would have been honest.
    public var cheatingPaid: Bool { cheating.profit > sameHonest.profit }

    /// Runs the scenario twice, with and without cheating. Progress counts the jobs of both runs.
    public static func run(
        _ scenario: Scenario, progress: (Int) -> Void = { _ in }
    ) -> CheatingReport {
        var cheating = Simulation(scenario)
        cheating.run(progress: progress)
        var honest = Simulation(scenario, honest: true)
        honest.run { progress(scenario.jobs + $0) }
        let cheaters = 0..<scenario.cheaters
        return CheatingReport(
            scenario: scenario, cheating: cheating.result(of: cheaters),
            sameHonest: honest.result(of: cheaters),
            others: cheating.result(of: scenario.cheaters..<scenario.providers),
            audits: cheating.house.verdicts.count,
            convictions: cheating.house.verdicts.count { $0.accused != .none },
            unserved: cheating.unservedJobs)
    }
}

extension Simulation {
    /// What became of the providers at these places.
    public func result(of places: Range<Int>) -> GroupResult {
        var revenue = Amount.zero
        var cost = Amount.zero
        var slashed = Amount.zero
        var emission = Amount.zero
        var tombstoned = 0
        var jobs = 0
        let bond = Amount(UInt128(scenario.bondDollars) * 1_000_000_000_000)
        for place in places {
            let party = PartyID(UInt64(place) + 1)
            revenue += house.balance(.payable, .usd, of: party)
            emission += house.balance(.payable, .tly, of: party)
            slashed += bond - house.balance(.bonded, .usd, of: party)
            cost += computeCost[place]
            if house.party(party)?.tombstoned == true { tombstoned += 1 }
        }
        for job in house.jobs {
            guard let stage = job.pipeline.first else { continue }
            if places.contains(Int(stage.party.rawValue) - 1) { jobs += 1 }
        }
        return GroupResult(
            providers: places.count, jobs: jobs,
            cheatedJobs: places.reduce(0) { $0 + cheatedJobs[$1] }, revenue: revenue,
            computeCost: cost, slashed: slashed, tombstoned: tombstoned, emission: emission)
    }
}
