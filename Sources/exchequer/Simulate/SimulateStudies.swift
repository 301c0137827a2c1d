import ArgumentParser
import Foundation
import Simulator

/// `exchequer simulate check`: reads a scenario as `run` would, and runs nothing.
struct SimulateCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a scenario file and say what it would run.")

    @Argument(help: "The scenario.", completion: .file(extensions: ["yaml", "yml"]))
    var file: String
    @OptionGroup var changes: ScenarioChanges
    @Flag(help: "Print one JSON object.") var json = false

    private struct Summary: Encodable {
        let model, kind, record: String
        let points, runs, steps: Int
    }

    func run() throws {
        let scenario = try changes.read(file)
        let summary = Summary(
            model: scenario.model.name, kind: scenario.study.kind.rawValue,
            record: scenario.recorded.rawValue, points: scenario.study.pointCount,
            runs: scenario.runCount, steps: scenario.steps)
        if json { return try Console.put(json: summary) }
        Console.put(
            "\(file): \(summary.kind) of \(summary.model), \(summary.points) points, "
                + "\(summary.runs) runs of \(summary.steps) steps, "
                + (scenario.recorded == .steps ? "every step recorded" : "last step recorded"))
    }
}

/// `exchequer simulate schema`: the JSON schema of scenario files.
struct SimulateSchema: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON schema of scenario files, for editors and other programs.")

    func run() { Console.put(String(ScenarioSchema.text.dropLast())) }
}

/// `exchequer simulate models`: what a scenario can set, and what a model tells.
struct SimulateModels: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "List the models with their parameters and metrics.")

    @Argument(help: "Only this one.") var name: String?

    func run() throws {
        let models = Models.all.filter { name == nil || $0.name == name }
        if models.isEmpty {
            throw ValidationError(
                "there is no such model; there are "
                    + "\(Models.all.map { $0.name }.joined(separator: ", ")).")
        }
        for model in models {
            Console.put("\(model.name): \(model.summary)\n")
            let parameters = model.parameters.map { spec in
                [
                    spec.name, spec.unit.counted, spec.unit.text(spec.range.lowerBound),
                    spec.unit.text(spec.range.upperBound), spec.unit.text(spec.standard),
                ]
            }
            Console.put(
                Console.table(["parameter", "unit", "least", "most", "standard"], parameters))
            Console.put("")
            let metrics = model.metrics.map { [$0.name, $0.unit.counted] }
            Console.put(Console.table(["metric", "unit"], metrics))
            Console.put("")
        }
    }
}

/// `exchequer simulate merge`: the shards of a study to one.
struct SimulateMerge: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put the results of a study's shards together and print their digest.",
        discussion: """
            Refuses a study with a missing run and shards that disagree. The results go to the \
            first folder. The digest is the same for any number of shards and threads.

            EXAMPLES
              exchequer simulate merge out
              exchequer simulate merge machine1/out machine2/out
            """)

    @Argument(help: "Folders with results of one study.", completion: .directory)
    var folders: [String]
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        try Simulate.faults {
            let (_, model) = try Simulate.study(folders[0])
            let merge = StudyMerge(model, folders.map { StudyFolder(URL(fileURLWithPath: $0)) })
            try Simulate.put(try merge.finish(), folder: folders[0], json: json)
        }
    }
}

/// `exchequer simulate status`: how far a study is, of any number of processes.
struct SimulateStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say how many runs of a study are done.")

    @Argument(help: "Folders with results of one study.", completion: .directory)
    var folders: [String]
    @Flag(help: "Print one JSON object.") var json = false

    private struct Summary: Encodable { let done, total: Int }

    func run() throws {
        try Simulate.faults {
            let (manifest, model) = try Simulate.study(folders[0])
            let merge = StudyMerge(model, folders.map { StudyFolder(URL(fileURLWithPath: $0)) })
            let (done, total) = try merge.status()
            if json { return try Console.put(json: Summary(done: done, total: total)) }
            let kind = manifest.study.kind.rawValue
            Console.put("\(done) of \(total) runs done: \(kind) of \(manifest.model)")
        }
    }
}
