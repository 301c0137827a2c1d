import ArgumentParser
import Economics
import Foundation
import Primitives
import Simulator

/// `exchequer simulate cheating`: drives the production rules with agents.
struct SimulateCheating: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cheating",
        abstract: "Ask, on the very rules that run in production, whether cheating pays.",
        discussion: """
            Runs the same scenario twice with the same luck: once with the cheaters cheating, once \
            with everyone honest. The same options give the same result on any machine.

            EXAMPLES
              exchequer simulate cheating
              exchequer simulate --audit-rate 0.01 --bond 20 --cheat 0.3
              exchequer simulate --jobs 100000 --seed 7 --json
              exchequer simulate --parameters rules.json
            """)

    @Option(help: "Jobs that buyers ask for.") var jobs = 10_000
    @Option(help: "Whole-model providers.") var providers = 20
    @Option(help: "How many of them cheat.") var cheaters = 5
    @Option(help: "The part of its jobs a cheater cheats on, 0 to 1.") var cheat = 1.0
    @Option(help: "The part of delivered jobs that is audited, 0 to 1; 0.1 if nothing is said.")
    var auditRate: Double?
    @Option(
        help: "The rules, as `serve` takes them (docs/reference/parameters.md).",
        completion: .file(extensions: ["json"]))
    var parameters: String?
    @Option(help: "Each provider's bond in dollars.") var bond: UInt64 = 100
    @Option(help: "The seed that every random choice follows from.") var seed: UInt64 = 1
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        var scenario = Scenario()
        scenario.jobs = jobs
        scenario.providers = providers
        scenario.cheaters = cheaters
        scenario.cheatPerMille = UInt32(max(0, min(4_000, cheat * 1_000)))
        scenario.bondDollars = bond
        scenario.seed = seed
        if let parameters { scenario.parameters = try ParametersFile.read(parameters) }
        if let rate = auditRate ?? (parameters == nil ? 0.1 : nil) {
            scenario.parameters.auditRatePerMillion = UInt32(max(0, min(4e6, rate * 1e6)))
        }
        if let problem = scenario.problem { throw ValidationError("\(problem).") }
        let started = Date()
        var shown = 0
        let report = CheatingReport.run(scenario) { done in
            guard done - shown >= 1_000 else { return }
            shown = done
            Console.progress("simulated \(done) of \(2 * scenario.jobs) jobs")
        }
        Console.progress("")
        let elapsed = Date().timeIntervalSince(started)
        Console.say(
            String(format: "%d jobs in %.2f s, twice", scenario.jobs, elapsed / 2))
        if json { try Console.put(json: Summary(report)) } else { Console.put(text(report)) }
    }

    private func text(_ report: CheatingReport) -> String {
        let groups = [
            ("cheaters, cheating", report.cheating), ("the same, honest", report.sameHonest),
            ("everyone else", report.others),
        ]
        let rows = groups.map { name, group in
            [
                name, "\(group.providers)", "\(group.jobs)", "\(group.cheatedJobs)",
                dollars(Int128(group.revenue.units)), dollars(Int128(group.computeCost.units)),
                dollars(Int128(group.slashed.units)), dollars(group.profit),
                "\(group.tombstoned)",
            ]
        }
        let header = [
            "providers", "n", "jobs", "cheated", "paid $", "cost $", "slashed $", "profit $",
            "banned",
        ]
        let rate = Double(scenarioRate(report)) / 10_000
        return """
            \(Console.table(header, rows))

            \(report.audits) audits (\(rate) % of jobs), \(report.convictions) convictions, \
            \(report.unserved) jobs without an offer.
            Cheating \(report.cheatingPaid ? "PAID" : "did not pay"): \
            \(dollars(report.cheating.profit)) dollars cheating, \
            \(dollars(report.sameHonest.profit)) honest.
            """
    }

    private func scenarioRate(_ report: CheatingReport) -> UInt32 {
        report.scenario.parameters.auditRatePerMillion
    }

    private func dollars(_ units: Int128) -> String {
        let text = Asset.usd.format(Amount(units.magnitude / 100_000_000 * 100_000_000))
        return units < 0 ? "-\(text)" : text
    }

    /// What `--json` prints. Dollars are exact decimal text.
    private struct Summary: Encodable {
        struct Group: Encodable {
            let providers, jobs, cheatedJobs, tombstoned: Int
            let paid, computeCost, slashed, profit, emission: String
        }
        let seed: UInt64
        let jobs, audits, convictions, unserved: Int
        let cheatingPaid: Bool
        let cheating, sameHonest, others: Group

        init(_ report: CheatingReport) {
            seed = report.scenario.seed
            jobs = report.scenario.jobs
            audits = report.audits
            convictions = report.convictions
            unserved = report.unserved
            cheatingPaid = report.cheatingPaid
            cheating = Summary.group(report.cheating)
            sameHonest = Summary.group(report.sameHonest)
            others = Summary.group(report.others)
        }

        private static func group(_ result: GroupResult) -> Group {
            let profit = Asset.usd.format(Amount(result.profit.magnitude))
            return Group(
                providers: result.providers, jobs: result.jobs, cheatedJobs: result.cheatedJobs,
                tombstoned: result.tombstoned, paid: Asset.usd.format(result.revenue),
                computeCost: Asset.usd.format(result.computeCost),
                slashed: Asset.usd.format(result.slashed),
                profit: result.profit < 0 ? "-\(profit)" : profit,
                emission: Asset.tly.format(result.emission))
        }
    }
}
