import ArgumentParser
import Foundation
import Simulator

/// `exchequer simulate run`: a scenario file to a folder of results.
struct SimulateRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a scenario file: one run, or a study of many.",
        discussion: """
            Results are written as they come. The same command again goes on where it was stopped, \
            also after a kill; results are the same for any number of threads and shards. \
            docs/reference/scenarios.md has the keys, simulation-files.md the files.

            EXAMPLES
              exchequer simulate run sim/scenarios/halving-shock.yaml --out out
              exchequer simulate run study.yaml --out out --replicates 30 --set demand=800
              exchequer simulate run study.yaml --out out --shard 0/100
              exchequer simulate run one.yaml --out out --checkpoint-every 100
              exchequer simulate run one.yaml --out new --from out/checkpoint-0-100.bin
            """)

    @Argument(help: "The scenario.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String
    @Option(help: "The folder of the results.", completion: .directory) var out: String
    @OptionGroup var changes: ScenarioChanges
    @Option(help: "Threads; all processors if nothing is said.") var threads: Int?
    @Option(help: "Only the runs of one part, i/n with i from 0: `3/100`.") var shard: String?
    @Option(help: "Write a checkpoint of each run after every so many steps.")
    var checkpointEvery: Int?
    @Option(help: "Begin every run at this checkpoint.", completion: .file(extensions: ["bin"]))
    var from: String?
    @Flag(help: "Print progress and the end as JSON lines.") var json = false

    func validate() throws {
        if let threads, !(1...4_096).contains(threads) {
            throw ValidationError("--threads must be between 1 and 4096.")
        }
        if let checkpointEvery, checkpointEvery < 1 {
            throw ValidationError("--checkpoint-every must be at least 1.")
        }
        if let shard, StudyShard(shard) == nil {
            throw ValidationError("--shard is i/n with i from 0 to n - 1, not \(shard).")
        }
    }

    func run() throws {
        let scenario = try changes.read(file)
        let folder = StudyFolder(URL(fileURLWithPath: out))
        let (version, commit) = BuildOrigin.current
        try Simulate.faults {
            let origin = try from.map { try Checkpoint(file: URL(fileURLWithPath: $0)) }
            if scenario.study.kind == .calibration {
                try calibrate(scenario, folder, origin)
                return
            }
            var runner = try StudyRunner(
                scenario, folder: folder, version: version, commit: commit, from: origin)
            if let threads { runner.threads = threads }
            if let shard, let part = StudyShard(shard) { runner.shard = part }
            runner.checkpointEvery = checkpointEvery ?? 0
            let meter = ProgressMeter(json: json)
            let digest = try runner.run { meter.tell($0) }
            meter.end()
            guard let digest else { return }
            try Simulate.put(digest, folder: out, json: json)
        }
    }

    private func calibrate(
        _ scenario: StudyScenario, _ folder: StudyFolder, _ origin: Checkpoint?
    ) throws {
        if shard != nil || origin != nil || checkpointEvery != nil {
            throw ValidationError("a calibration has no --shard, --from or --checkpoint-every.")
        }
        let (version, commit) = BuildOrigin.current
        let meter = ProgressMeter(json: json)
        var calibration = Calibration(scenario, folder: folder)
        if let threads { calibration.threads = threads }
        let fit = try calibration.run(version: version, commit: commit) { meter.tell($0) }
        meter.end()
        if json {
            try Console.put(json: fit)
        } else {
            Console.put(
                Console.table(["parameter", "value"], fit.values.map { [$0.name, $0.value] }))
            Console.put(
                "\nRMSE \(fit.error) fitted, \(fit.heldOutError.map { "\($0)" } ?? "none") held out"
            )
        }
    }
}

/// What a command line changes of a scenario file.
struct ScenarioChanges: ParsableArguments {
    @Option(help: "Runs of each point, in place of the file's.") var replicates: Int?
    @Option(help: "The seed, in place of the file's.") var seed: UInt64?
    @Option(help: "Steps of a run, in place of the file's.") var steps: Int?
    @Option(help: "What is written of each run: steps or final.") var record: String?
    @Option(help: "A parameter or rule, as `name=value`; can be said again.") var set: [String] = []

    func validate() throws {
        if let replicates, !(1...100_000).contains(replicates) {
            throw ValidationError("--replicates must be between 1 and 100000.")
        }
        if let steps, !(1...StudyScenario.mostSteps).contains(steps) {
            throw ValidationError("--steps must be between 1 and \(StudyScenario.mostSteps).")
        }
        if let record, StudyScenario.Record(rawValue: record) == nil {
            throw ValidationError("--record is steps or final, not \(record).")
        }
        if let wrong = set.first(where: { !$0.contains("=") }) {
            throw ValidationError("--set is name=value, not \(wrong).")
        }
    }

    /// The scenario with these changes; says what is wrong otherwise.
    func read(_ file: String) throws -> StudyScenario {
        try Simulate.faults {
            var scenario = try StudyScenario.read(file: file)
            if let replicates { scenario.replicates = replicates }
            if let seed { scenario.seed = seed }
            if let steps {
                if scenario.study.kind == .calibration {
                    throw ValidationError("the steps of a calibration are those of its file.")
                }
                scenario.steps = steps
            }
            if let record { scenario.record = StudyScenario.Record(rawValue: record) }
            for change in set {
                let parts = change.split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                do throws(ScenarioError) {
                    try scenario.set(String(parts[0]), to: String(parts[1]))
                } catch {
                    throw ScenarioError("--set \(change): \(error.reason)")
                }
            }
            try scenario.check()
            return scenario
        }
    }
}
