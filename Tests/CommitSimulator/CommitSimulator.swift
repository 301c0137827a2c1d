import CommitSimulation
import Foundation

/// Runs seeds of the commit path's simulation in a process of its own, as `make soak` and the
/// mutation checks do.
///
///     commitsimulator [first seed, or - for a random one] [seeds] [seconds]
///
/// Prints progress every ten seconds and the counts at the end. Exit code 1 after a seed that fails.
@main
enum CommitSimulator {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst().map(String.init)
        let first = arguments.first.flatMap(UInt64.init) ?? UInt64.random(in: 1...1 << 40)
        let count = arguments.dropFirst().first.flatMap(UInt64.init) ?? 1
        let seconds = arguments.dropFirst(2).first.flatMap(Double.init) ?? .infinity
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
