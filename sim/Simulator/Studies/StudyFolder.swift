public import Foundation

/// Where a study's files are: docs/reference/simulation-files.md.
public struct StudyFolder: Sendable {
    /// The folder.
    public let url: URL

    /// A folder, which need not be there yet.
    public init(_ url: URL) { self.url = url }

    func file(_ name: String) -> URL { url.appendingPathComponent(name) }

    /// The results of a shard as they come; of all, if there is one shard.
    func results(_ shard: StudyShard) -> URL {
        file(shard.count == 1 ? "results.csv" : "results-\(shard.index)-of-\(shard.count).csv")
    }

    /// Every file of results, in the order of their names.
    func allResults() -> [URL] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        let results = names.filter { $0.hasPrefix("results") && $0.hasSuffix(".csv") }
        return results.sorted().map(file)
    }

    /// The manifest, or `nil` if there is none.
    public func manifest() throws(StudyFault) -> StudyManifest? {
        let file = file("manifest.json")
        guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
        do {
            let manifest = try JSONDecoder().decode(StudyManifest.self, from: data)
            if manifest.isWhole { return manifest }
        } catch {
            throw StudyFault("\(file.path) is not a manifest of this version")
        }
        throw StudyFault("\(file.path) is not a study's own manifest")
    }

    /// Writes a file whole or not at all.
    func write(_ data: Data, to name: String) throws(StudyFault) {
        do {
            try data.write(to: file(name), options: .atomic)
        } catch {
            throw StudyFault("\(file(name).path) cannot be written", .disk)
        }
    }

    /// Writes the manifest and what follows from it. A folder with another study is refused.
    func prepare(
        _ scenario: StudyScenario, _ manifest: StudyManifest
    ) throws(StudyFault) {
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        } catch {
            throw StudyFault("\(url.path) cannot be made", .disk)
        }
        if let old = try self.manifest(), let problem = manifest.problem(with: old) {
            throw StudyFault("\(url.path) has results of \(problem); take another folder")
        }
        if try self.manifest() == manifest,
            FileManager.default.fileExists(atPath: file("runs.csv").path)
        {
            return
        }
        try write(dictionary(scenario), to: "dictionary.csv")
        try write(runs(scenario), to: "runs.csv")
        if !scenario.study.axes.isEmpty, scenario.study.kind != .calibration {
            try write(points(scenario), to: "params.csv")
        }
        try write(manifest.json, to: "manifest.json")
    }

    private func runs(_ scenario: StudyScenario) -> Data {
        let points = scenario.study.points()
        let names = points.axes.map { ",\($0.name)" }.joined()
        var bytes = Array("run,point,replicate,seed\(names)\n".utf8)
        let seeds = (0..<scenario.replicates).map(scenario.seed(ofReplicate:))
        for point in 0..<points.count {
            for replicate in 0..<scenario.replicates {
                let run = point * scenario.replicates + replicate
                bytes += Array("\(run),\(point),\(replicate),\(seeds[replicate])".utf8)
                append(points, point, &bytes, separator: true)
            }
        }
        return Data(bytes)
    }

    private func points(_ scenario: StudyScenario) -> Data {
        let points = scenario.study.points()
        var bytes = Array((points.axes.map(\.name).joined(separator: ",") + "\n").utf8)
        for point in 0..<points.count { append(points, point, &bytes, separator: false) }
        return Data(bytes)
    }

    private func append(
        _ points: StudyPoints, _ point: Int, _ bytes: inout [UInt8], separator: Bool
    ) {
        for (place, (axis, value)) in zip(points.axes, points[point]).enumerated() {
            if separator || place > 0 { bytes.append(UInt8(ascii: ",")) }
            axis.spec.unit.write(value, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private func dictionary(_ scenario: StudyScenario) -> Data {
        var text = "column,kind,unit,about\n"
        func row(_ name: String, _ kind: String, _ unit: Quantity, _ about: String) {
            let quoted = about.replacingOccurrences(of: "\"", with: "\"\"")
            text += "\(name),\(kind),\(unit.counted),\"\(quoted)\"\n"
        }
        for spec in scenario.model.parameters { row(spec.name, "parameter", spec.unit, spec.about) }
        for axis in scenario.study.axes where axis.name.hasPrefix(StudyAxis.prefix) {
            row(axis.name, "parameter", axis.spec.unit, axis.spec.about)
        }
        for spec in scenario.model.metrics { row(spec.name, "metric", spec.unit, spec.about) }
        return Data(text.utf8)
    }
}

/// The part of a study that one process runs: every run whose number leaves `index` when divided by
/// `count`.
public struct StudyShard: Hashable, Sendable {
    /// From 0.
    public let index: Int
    /// How many there are.
    public let count: Int

    /// All runs.
    public static let whole = StudyShard(index: 0, count: 1)

    private init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }

    /// Reads `i/n` with i from 0 to n - 1; `nil` for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]),
            (1...100_000).contains(count), (0..<count).contains(index)
        else { return nil }
        self.init(index: index, count: count)
    }
}
