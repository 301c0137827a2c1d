import ArgumentParser
import Foundation
import Simulator

/// `exchequer simulate cmw1`: the workload that simulators are compared by.
struct SimulateCMW1: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cmw1",
        abstract: "Run CMW-1, the compute market that many simulators run, and print its checksum.",
        discussion: """
            One thread. The time covers the initial state, all steps and keeping sixteen numbers \
            of each. docs/reference/simulation-cmw1.md is the definition and holds the checksums.

            EXAMPLES
              exchequer simulate cmw1
              exchequer simulate cmw1 --agents 100000 --steps 365 --seed 42
            """)

    @Option(help: "Agents: half are provider slots, half buyers.") var agents = 1_000
    @Option(help: "Days.") var steps = 365
    @Option(help: "The seed that every random choice follows from.") var seed: UInt64 = 42

    func run() throws {
        guard (1...1_000_000).contains(steps) else {
            throw ValidationError("--steps is from 1 to 1,000,000.")
        }
        let clock = ContinuousClock()
        let started = clock.now
        let startedCPU = cpuSeconds()
        let market: CMW1
        var rows: [Int64] = []
        rows.reserveCapacity(steps * CMW1.metrics.count)
        do throws(ScenarioError) {
            var running = try CMW1(agents: agents, seed: seed)
            var row = [Int64](repeating: 0, count: CMW1.metrics.count)
            for _ in 0..<steps {
                running.step(into: &row)
                rows.append(contentsOf: row)
            }
            market = running
        } catch { throw ValidationError("\(error.reason).") }
        let checksum = market.digest
        let cpu = cpuSeconds() - startedCPU
        let wall = (clock.now - started) / .seconds(1)
        let work = Double(agents) * Double(steps)
        let digits = String(checksum, radix: 16)
        try Console.put(
            json: Line(
                impl: "exchequer", variant: "columns", agents: agents, steps: steps,
                secs: wall, cpuSecs: cpu, agentStepsPerS: Int(work / wall),
                agentStepsPerCpuS: Int(work / cpu), peakMib: try peakMebibytes(),
                checksum: String(repeating: "0", count: 16 - digits.count) + digits))
    }

    /// The line that every implementation prints.
    private struct Line: Encodable {
        let impl, variant: String
        let agents, steps: Int
        let secs, cpuSecs: Double
        let agentStepsPerS, agentStepsPerCpuS: Int
        let peakMib: Double
        let checksum: String

        enum CodingKeys: String, CodingKey {
            case impl, variant, agents, steps, secs, checksum
            case cpuSecs = "cpu_secs"
            case agentStepsPerS = "agent_steps_per_s"
            case agentStepsPerCpuS = "agent_steps_per_cpu_s"
            case peakMib = "peak_mib"
        }
    }

    private func cpuSeconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// The most memory this process had, as the kernel tells it; what its parent had is not in it.
    private func peakMebibytes() throws -> Double {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
        return ((kibibytes ?? 0) / 1_024 * 10).rounded() / 10
    }
}
