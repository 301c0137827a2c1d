import Foundation

/// A study's results as plots, findings in words, and a page. The same files give the same bytes.
public struct StudyReport: Sendable {
    /// The plots, what the study asks for first.
    public let plots: [ReportPlot]
    /// What can be said in words, one sentence or two each.
    public let findings: [String]

    let data: ReportData

    /// Reads a study's files; throws where they are no study's.
    public init(_ files: ReportFiles) throws(ReportError) {
        let data = try ReportData(files)
        self.data = data
        var drawing = PlotChooser(data)
        drawing.choose()
        plots = drawing.plots
        findings = ReportFindings(data).sentences
    }
}

/// A study's files, read.
struct ReportData: Sendable {
    struct Column: Sendable {
        let name: String
        let unit: String
        let about: String

        /// For an axis of a plot: the name in words and the unit.
        var label: String {
            let words = name.inWords
            return unit.isEmpty ? words : "\(words), \(unit)"
        }
    }

    let manifest: StudyManifest
    let manifestText: String
    let final: CSVTable
    let metrics: [Column]
    /// What is varied, as far as the results have it.
    let axes: [Column]
    /// The metric that answers the question.
    let main: Column
    let indices: CSVTable?
    let line: CSVTable?
    let distribution: CSVTable?
    let history: ReportHistory
    let parameters: [String: Column]

    init(_ files: ReportFiles) throws(ReportError) {
        do {
            manifest = try JSONDecoder().decode(
                StudyManifest.self, from: Data(files.manifest.utf8))
        } catch { throw ReportError("manifest.json is not a study's: \(error)") }
        manifestText = files.manifest
        final = try ReportData.table(files.final)
        let dictionary = try ReportData.table(files.dictionary)
        func columns(_ kind: String) throws(ReportError) -> [Column] {
            guard let names = dictionary.words("column"), let kinds = dictionary.words("kind"),
                let units = dictionary.words("unit"), let abouts = dictionary.words("about")
            else { throw ReportError("dictionary.csv needs column, kind, unit and about") }
            return names.indices.filter { kinds[$0] == kind }
                .map { Column(name: names[$0], unit: units[$0], about: abouts[$0]) }
        }
        let header = Set(final.header)
        metrics = try columns("metric").filter { header.contains($0.name) }
        let known = Dictionary(
            try columns("parameter").map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        parameters = known
        axes = manifest.study.axes.map(\.name).filter { header.contains($0) }.map { name in
            known[name] ?? Column(name: name, unit: "", about: "")
        }
        guard let first = metrics.first else {
            throw ReportError("final.csv has none of the metrics of dictionary.csv")
        }
        if final.rows.isEmpty { throw ReportError("final.csv has no run") }
        main = metrics.first { [manifest] in $0.name == manifest.metric } ?? first
        indices = try files.indices.map(ReportData.table)
        line = try files.line.map(ReportData.table)
        distribution = try files.distribution.map(ReportData.table)
        history = try ReportHistory(files, metrics.map(\.name))
    }

    static func table(_ text: String) throws(ReportError) -> CSVTable {
        do throws(ScenarioError) { return try CSVTable(text) } catch {
            throw ReportError(error.reason)
        }
    }

    /// The last values of a metric, one a run.
    func values(_ metric: Column) -> [Double] { final.numbers(metric.name) ?? [] }

    /// The runs' rows by the words in some columns, in the order in which they come.
    func groups(_ columns: [Column]) -> [(words: [String], rows: [Int])] {
        let places = columns.compactMap { final.column($0.name) }
        var order: [[String]: Int] = [:]
        var groups: [(words: [String], rows: [Int])] = []
        for (row, cells) in final.rows.enumerated() {
            let words = places.map { cells[$0] }
            if let place = order[words] {
                groups[place].rows.append(row)
            } else {
                order[words] = groups.count
                groups.append((words, [row]))
            }
        }
        return groups
    }

    /// Whether all values of an axis are numbers.
    func isNumeric(_ axis: Column) -> Bool {
        final.numbers(axis.name)?.allSatisfy(\.isFinite) ?? false
    }

    /// An axis' values that occur, ascending.
    func levels(_ axis: Column) -> [Double] { Array(Set(final.numbers(axis.name) ?? [])).sorted() }
}

/// What happened over the steps: for each point and metric a band over its replicates.
struct ReportHistory: Sendable {
    struct Moment: Sendable {
        let step: Double
        let low: Double
        let middle: Double
        let high: Double
    }

    /// By point and metric; empty where only the last step is known.
    let bands: [Int: [String: [Moment]]]
    /// The file it is from.
    let source: String

    /// Beyond it, `results.csv` is too long to be drawn step by step.
    private static let mostRows = 4_000_000

    init(_ files: ReportFiles, _ metrics: [String]) throws(ReportError) {
        if let text = files.bands {
            source = "bands.csv"
            bands = try ReportHistory.read(bands: ReportData.table(text))
        } else if let text = files.results {
            source = "results.csv"
            bands = try ReportHistory.read(results: ReportData.table(text), metrics)
        } else {
            (source, bands) = ("", [:])
        }
    }

    private static func read(
        bands table: CSVTable
    ) throws(ReportError) -> [Int: [String: [Moment]]] {
        guard let points = table.numbers("point"), let steps = table.numbers("step"),
            let metrics = table.words("metric"), let low = table.numbers("p5"),
            let middle = table.numbers("p50"), let high = table.numbers("p95")
        else { throw ReportError("bands.csv needs point, step, metric, p5, p50 and p95") }
        var bands: [Int: [String: [Moment]]] = [:]
        for row in points.indices where points[row].isFinite {
            bands[Int(points[row]), default: [:]][metrics[row], default: []].append(
                Moment(
                    step: steps[row], low: low[row], middle: middle[row], high: high[row]))
        }
        return bands.filter { $0.value.values.contains { $0.count > 1 } }
    }

    /// Every run is a point of its own, as there are no replicates.
    private static func read(
        results table: CSVTable, _ metrics: [String]
    ) throws(ReportError) -> [Int: [String: [Moment]]] {
        guard let runs = table.numbers("run"), let steps = table.numbers("step") else {
            throw ReportError("results.csv needs run and step")
        }
        if table.rows.count > mostRows { return [:] }
        var bands: [Int: [String: [Moment]]] = [:]
        for metric in metrics {
            guard let values = table.numbers(metric) else { continue }
            for row in values.indices where runs[row].isFinite {
                let value = values[row]
                bands[Int(runs[row]), default: [:]][metric, default: []].append(
                    Moment(step: steps[row], low: value, middle: value, high: value))
            }
        }
        return bands.filter { $0.value.values.contains { $0.count > 1 } }
    }
}
