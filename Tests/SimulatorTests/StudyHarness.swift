import Economics
import Foundation
import Primitives
import Simulator

/// A folder that is gone after the test.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory
        .appendingPathComponent("study-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func text(_ name: String) throws -> String {
        try String(contentsOf: url.appendingPathComponent(name), encoding: .utf8)
    }

    func lines(_ name: String) throws -> [[String]] {
        try text(name).split(separator: "\n").map { line in
            line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: url.appendingPathComponent(name))
    }
}

/// A model whose indices are known: `y = 4a + 2b + c`, plus `noise` times a number of the seed.
struct LinearModel: SimulationModel {
    static let name = "linear"
    static let summary = "A sum."
    static let parameters =
        ["a", "b", "c"].map { name in
            ParameterSpec(
                name, .decimal(places: 6, of: "share"), 0...1_000_000, standard: 0, about: "One.")
        } + [
            ParameterSpec("noise", .count(of: "units"), 0...1_000_000, standard: 0, about: "Luck."),
            ParameterSpec(
                "sign", .choice(["plus", "minus"]), 0...1, standard: 0, about: "The sign."),
        ]
    static let metrics = [
        MetricSpec("y", .decimal(places: 6, of: "share"), about: "The sum."),
        MetricSpec("still", .count(of: "units"), about: "Always seven."),
        MetricSpec("sign", .choice(["plus", "minus"]), about: "The sign."),
    ]

    private(set) var steps = 0
    var digest: UInt64 { UInt64(steps) }
    private let values: [Int64]
    private let seed: UInt64

    init(_ values: [Int64], rules: Parameters, seed: UInt64) throws(ScenarioError) {
        if values[0] == 999_999 { throw ScenarioError("a must not be 0.999999") }
        self.values = values
        self.seed = seed
    }

    mutating func step(into row: inout [Int64]) {
        steps += 1
        var random = SplitMix64(seed: seed &+ UInt64(steps))
        let sum = 4 * values[0] + 2 * values[1] + values[2]
        let luck = values[3] == 0 ? 0 : Int64(random.next() % UInt64(values[3]))
        row[0] = (values[4] == 0 ? 1 : -1) * (sum + luck)
        row[1] = 7
        row[2] = values[4]
    }

    func encode(into writer: inout ByteWriter) { writer.write(UInt64(steps)) }

    init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError) {
        try self.init(values, rules: rules, seed: seed)
        do throws(CodecError) {
            steps = Int(try reader.readUInt64())
        } catch {
            throw ScenarioError("damaged")
        }
    }
}

/// Studies for tests.
enum Studies {
    static let models: [any SimulationModel.Type] = [LinearModel.self, HalvingPool.self]

    /// Reads a scenario that must be sound.
    static func scenario(_ text: String, folder: URL? = nil) throws -> StudyScenario {
        try StudyScenario.read(
            text, folder: folder ?? FileManager.default.temporaryDirectory, models: models)
    }

    /// Runs a scenario into a folder.
    @discardableResult
    static func run(
        _ scenario: StudyScenario, _ folder: URL, from origin: Checkpoint? = nil,
        _ change: (inout StudyRunner) -> Void = { _ in }
    ) throws -> StudyDigest? {
        var runner = try StudyRunner(
            scenario, folder: StudyFolder(folder), version: "1", commit: "c", from: origin)
        change(&runner)
        return try runner.run()
    }
}

/// A model of the same name that does not read all that was written.
struct ForgetfulModel: SimulationModel {
    static let name = LinearModel.name
    static let summary = LinearModel.summary
    static let parameters = LinearModel.parameters
    static let metrics = LinearModel.metrics

    private var model: LinearModel
    var steps: Int { model.steps }
    var digest: UInt64 { model.digest &+ 1 }

    init(_ values: [Int64], rules: Parameters, seed: UInt64) throws(ScenarioError) {
        model = try LinearModel(values, rules: rules, seed: seed)
    }

    mutating func step(into row: inout [Int64]) { model.step(into: &row) }
    func encode(into writer: inout ByteWriter) { model.encode(into: &writer) }

    init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError) {
        model = try LinearModel(from: &reader, values: values, rules: rules, seed: seed)
    }
}

/// The tree that these tests belong to.
enum Repository {
    static let root: URL = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let page = folder.appendingPathComponent("docs/reference/parameters.md").path
            if FileManager.default.fileExists(atPath: page) { return folder }
        }
        return folder
    }()
}
