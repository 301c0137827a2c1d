import CommitSimulation
import Foundation

/// Runs seeds of the commit path's simulation in a process of its own, as `make soak` and the
/// mutation checks do.
///
///     commitsimulator [first seed, or - for a random one] [seeds] [seconds]
///
/// Prints progress every ten seconds and the counts at the end. Exit code 1 if a seed fails.
@main
enum CommitSimulator {
    static func main() {
        let arguments: [String] = Array(CommandLine.arguments.dropFirst())
        let chosen = arguments.first.flatMap { UInt64($0) }
        let first: UInt64 = chosen ?? UInt64.random(in: 1...1 << 40)
        let count: UInt64 = arguments.dropFirst().first.flatMap { UInt64($0) } ?? 1
        let seconds: Double = arguments.dropFirst(2).first.flatMap { Double($0) } ?? .infinity
        print("simulation: seeds from \(first)")
        var report = SimulationReport()
        let start = Date.now
        var told = 0.0
        for seed in first..<first + count {
            report.add(Simulation.run(seed: seed))
            if let failure = report.failure {
                print("FAILED: \(failure)")
                print("again: commitsimulator \(seed) 1")
                exit(1)
            }
            let passed = -start.timeIntervalSinceNow
            if passed > seconds { break }
            if passed > told + 10 {
                told = passed
                print("\(Int(passed)) s: \(report.seeds) seeds, trace \(report.trace)")
            }
        }
        print("\(report.words)\ntrace \(report.trace)")
    }
}
