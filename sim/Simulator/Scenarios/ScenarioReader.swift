import Economics
public import Foundation
import Primitives

extension StudyScenario {
    /// Reads a scenario file. What is wrong is said with line and column.
    public static func read(
        file path: String, models: [any SimulationModel.Type] = Models.all
    ) throws(ScenarioFault) -> StudyScenario {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ScenarioFault("cannot be read", file: path)
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw ScenarioFault("is not UTF-8 text", file: path)
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        do throws(ScenarioFault) {
            return try read(text, folder: folder, models: models)
        } catch {
            var fault = error
            fault.file = path
            throw fault
        }
    }

    /// Reads the text of a scenario; files that it names are looked for in `folder`.
    public static func read(
        _ text: String, folder: URL, models: [any SimulationModel.Type] = Models.all
    ) throws(ScenarioFault) -> StudyScenario {
        let root = ScenarioFields(try ScenarioNode.read(text), "scenario")
        try root.only(keys)
        let model = try readModel(root, models)
        let steps = try root.whole("steps", 1...mostSteps) ?? 0
        if steps == 0 { throw root.node.fault("`steps` is missing") }
        var scenario = StudyScenario(model: model, steps: steps)
        scenario.title = try root.text("title") ?? ""
        scenario.question = try root.text("question") ?? ""
        scenario.expect = try root.text("expect") ?? ""
        scenario.metric = try root.word("metric", of: model.metrics.map(\.name)) ?? scenario.metric
        scenario.seed = try root.seed("seed") ?? 1
        scenario.replicates = try root.whole("replicates", 1...100_000) ?? 1
        scenario.record = try root.word("record", of: Record.allCases.map(\.rawValue))
            .flatMap(Record.init)
        try scenario.readParameters(root)
        try scenario.readRules(root)
        scenario.demand = try DemandReader(scenario, folder).read(root)
        if let study = root["study"] {
            scenario.study = try StudyReader(scenario, folder).read(study)
        }
        try scenario.readReport(root)
        do throws(ScenarioError) {
            try scenario.check()
        } catch {
            throw scenario.place(of: error, root).fault(error.reason)
        }
        return scenario
    }

    /// The keys of a scenario.
    static let keys = [
        "title", "question", "expect", "metric", "model", "steps", "seed", "replicates", "record",
        "parameters", "rules", "demand", "study", "report",
    ]

    /// Where the parameter stands that an error begins with, or else what is varied.
    private func place(of error: ScenarioError, _ root: ScenarioFields) -> ScenarioNode {
        let name = error.reason.prefix { $0 != ":" && $0 != " " }
        let named = root["parameters"]?.find(String(name))
        return named ?? root["study"] ?? root["parameters"] ?? root.node
    }

    private static func readModel(
        _ root: ScenarioFields, _ models: [any SimulationModel.Type]
    ) throws(ScenarioFault) -> any SimulationModel.Type {
        let names = models.map { $0.name }
        guard let name = try root.word("model", of: names),
            let model = models.first(where: { $0.name == name })
        else {
            throw root.node.fault("`model` is missing: one of \(names.joined(separator: ", "))")
        }
        return model
    }

    private mutating func readParameters(_ root: ScenarioFields) throws(ScenarioFault) {
        guard let node = root["parameters"] else { return }
        let fields = ScenarioFields(node, "parameters")
        try fields.only(model.parameters.map(\.name), of: "parameter of \(model.name)")
        for (place, spec) in model.parameters.enumerated() {
            guard let node = fields[spec.name] else { continue }
            values[place] = try node.value(spec)
        }
    }

    /// By the same code as a house's own file; the fault's key says where.
    private mutating func readRules(_ root: ScenarioFields) throws(ScenarioFault) {
        guard let node = root["rules"] else { return }
        let fields = ScenarioFields(node, "rules")
        try fields.only(ParameterKey.all.map(\.name) + [ParameterKey.emission], of: "rule")
        for pair in fields.pairs {
            do throws(ParameterFault) {
                try rules.set(pair.key, to: pair.value.parameterText)
            } catch {
                let place = pair.value.find(error.key) ?? pair.value
                throw place.fault(
                    "\(error.key): \(error.reason)" + Nearest.hint(error.key, in: error.known))
            }
        }
        if let problem = rules.problem { throw node.fault(problem) }
    }

    private mutating func readReport(_ root: ScenarioFields) throws(ScenarioFault) {
        guard let node = root["report"] else { return }
        let fields = ScenarioFields(node, "report")
        try fields.only(["thresholds"])
        guard let list = fields["thresholds"] else { return }
        for node in try list.list(most: 100) {
            let fields = ScenarioFields(node, "threshold")
            try fields.only(["metric", "at_least", "at_most", "says"])
            let names = model.metrics.map(\.name)
            guard let name = try fields.word("metric", of: names),
                let spec = model.metrics.first(where: { $0.name == name })
            else { throw node.fault("a threshold needs a `metric`") }
            var threshold = Threshold(metric: name)
            threshold.says = try fields.text("says")
            if let least = fields["at_least"] {
                threshold.atLeast = spec.unit.text(try least.value(spec.unit))
            }
            if let most = fields["at_most"] {
                threshold.atMost = spec.unit.text(try most.value(spec.unit))
            }
            if threshold.atLeast == nil, threshold.atMost == nil {
                throw node.fault("a threshold needs `at_least` or `at_most`")
            }
            thresholds.append(threshold)
        }
    }
}
