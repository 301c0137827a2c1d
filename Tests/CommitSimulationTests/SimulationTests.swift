import CommitSimulation
import Foundation
import SimulatedDisk
import Testing

/// The whole commit path under one seed at a time: docs/internals/proof.md.
@Suite struct SimulationTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
    }

    /// Runs seeds until one fails or the time is over.
    private func run(_ seeds: Range<UInt64>, seconds: Double = .infinity) -> SimulationReport {
        var report = SimulationReport()
        let start = Date.now
        for seed in seeds {
            report.add(Simulation.run(seed: seed))
            if let failure = report.failure {
                Issue.record("\(failure); again with EXCHEQUER_SIMULATION_SEED=\(seed)")
                break
            }
            if seeds.count > 10_000, report.seeds % 10_000 == 0 {
                print("simulation, \(Int(-start.timeIntervalSinceNow)) s: \(report.words)")
            }
            if -start.timeIntervalSinceNow > seconds { break }
        }
        return report
    }

    @Test func nothingAcknowledgedIsLostDoubledOrChanged() {
        let report = run(1..<1_001)
        print("simulation, fixed seeds: \(report.words)")
        for kind in [
            "acknowledged commands", "answered reads", "recoveries", "leader changes", "retries",
            "power cuts at a call", "power cuts between calls", "kills", "failures at a call",
            "lost messages", "doubled messages", "servers that ended", "damage that was found",
            "lives to the end", "orderly stops", "new sessions", "snapshots",
            "snapshots that failed", "starts from a snapshot", "passed over: another history",
            "passed over: damaged", "power cuts while writing a snapshot",
        ] + DiskFault.allCases.map({ "journal's disk: \($0.rawValue)" }) {
            #expect(report.counts[kind] ?? 0 > 0, "\(kind): none")
        }
    }

    /// EXCHEQUER_SIMULATION_SEED runs one seed again, EXCHEQUER_SIMULATION_SECONDS runs longer.
    @Test func freshSeeds() {
        if let seed = Self.number("EXCHEQUER_SIMULATION_SEED") {
            print("simulation, one seed: \(run(seed..<seed + 1).words)")
            return
        }
        let base = UInt64.random(in: 1...1 << 40)
        print("simulation, fresh seeds: from \(base)")
        let seconds = Self.number("EXCHEQUER_SIMULATION_SECONDS")
        let count = seconds == nil ? 2_000 : UInt64(1) << 40
        let report = run(base..<base + count, seconds: seconds.map(Double.init) ?? .infinity)
        print("simulation, fresh seeds: \(report.words)")
    }

    @Test func aSeedHappensTheSameWayTwice() {
        for seed in UInt64(1_000)..<1_020 {
            let first = Simulation.run(seed: seed)
            let second = Simulation.run(seed: seed)
            #expect(first.trace == second.trace, "seed \(seed)")
            #expect(first.steps == second.steps, "seed \(seed)")
        }
        #expect(Simulation.run(seed: 1).trace != Simulation.run(seed: 2).trace)
    }
}
