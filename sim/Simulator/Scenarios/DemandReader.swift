import Economics
import Foundation
import Primitives

/// Reads what a scenario says of a trace's demand.
struct DemandReader {
    private let scenario: StudyScenario
    private let folder: URL

    init(_ scenario: StudyScenario, _ folder: URL) {
        self.scenario = scenario
        self.folder = folder
    }

    /// The keys beside those that say where it is from.
    static let keys = ["requests", "step"]

    /// Requests that a job bundles where nothing is said: about the tokens of a standard job.
    static let standardRequests = 500

    /// The demand that `demand` says, if it is there.
    func read(_ root: ScenarioFields) throws(ScenarioFault) -> TraceDemand? {
        guard let node = root["demand"] else { return nil }
        let model = scenario.model
        if model.sizedByDemand.isEmpty {
            throw node.fault("the model \(model.name) takes no `demand`")
        }
        let fields = ScenarioFields(node, "demand")
        let kinds = TraceDemand.Kind.allCases.map(\.rawValue)
        try fields.only(kinds + Self.keys)
        let said = fields.pairs.filter { kinds.contains($0.key) }
        guard said.count == 1, let kind = TraceDemand.Kind(rawValue: said[0].key) else {
            throw node.fault("`demand` has one of \(kinds.joined(separator: ", "))")
        }
        let parameters = root["parameters"].map { ScenarioFields($0, "parameters").pairs } ?? []
        for pair in parameters where model.sizedByDemand.contains(pair.key) {
            throw pair.keyNode.fault("`\(pair.key)` is what `demand` says; leave one of them out")
        }
        let requests = try fields.whole("requests", 1...TraceDemand.mostRequests)
        let epoch = Int(clamping: scenario.rules.epochLength.nanoseconds / 1_000_000_000)
        let week = DemandGenerator.weekSeconds
        let step = try fields.whole("step", 1...week, of: "seconds") ?? epoch
        let place = said[0].value
        let name = try place.text()
        let fit = kind == .generator ? nil : try place.fit(name, folder)
        let generator: DemandGenerator
        if let fit { generator = fit.generator } else { generator = try place.generator(name) }
        let size = requests ?? Self.standardRequests
        do throws(ScenarioError) {
            if kind == .trace, let fit {
                return try TraceDemand(
                    replaying: fit, name: name, requests: size, stepSeconds: step)
            }
            return try TraceDemand(
                generator, kind: kind, name: name, requests: size, stepSeconds: step)
        } catch {
            throw (fields["step"] ?? place).fault(error.reason)
        }
    }
}

extension ScenarioNode {
    /// The generator of this name, which stands here.
    fileprivate func generator(_ name: String) throws(ScenarioFault) -> DemandGenerator {
        if let generator = DemandGenerator.named(name) { return generator }
        let names = DemandGenerator.names
        throw fault(
            "`\(name)` is none of \(names.joined(separator: ", "))\(Nearest.hint(name, in: names))")
    }

    /// The trace in this file, which is named here.
    fileprivate func fit(_ name: String, _ folder: URL) throws(ScenarioFault) -> TraceFit {
        let file = name.hasPrefix("/") ? URL(fileURLWithPath: name) : folder.appending(path: name)
        do throws(TraceFault) {
            return try TraceFit(TraceReader(file, name: name))
        } catch {
            throw fault("\(error)")
        }
    }
}
