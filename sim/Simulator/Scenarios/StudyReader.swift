import Economics
import Foundation

/// Reads what a scenario says of its study.
struct StudyReader {
    private let scenario: StudyScenario
    private let folder: URL

    init(_ scenario: StudyScenario, _ folder: URL) {
        self.scenario = scenario
        self.folder = folder
    }

    func read(_ node: ScenarioNode) throws(ScenarioFault) -> Study {
        let fields = ScenarioFields(node, "study")
        try fields.only(Self.keys)
        let kinds = Study.Kind.allCases.map(\.rawValue)
        guard let word = try fields.word("kind", of: kinds), let kind = Study.Kind(rawValue: word)
        else { throw node.fault("`kind` is missing: one of \(kinds.joined(separator: ", "))") }
        try refuseForeign(fields, kind)
        var study = Study(kind)
        study.samplingSeed = try fields.seed("sampling_seed") ?? 1
        study.resamples = try fields.whole("resamples", 10...10_000) ?? study.resamples
        if let axes = fields["axes"] { study.axes = try readAxes(axes, kind) }
        if study.axes.isEmpty, kind != .single, kind != .matrix {
            throw node.fault("a \(kind.rawValue) study needs `axes`")
        }
        switch kind {
        case .single, .grid: break
        case .monteCarlo, .latinHypercube:
            study.samples = try need("samples", 1...1_000_000, fields)
        case .morris: try readMorris(fields, &study)
        case .sobol: try readSobol(fields, &study)
        case .matrix: try readMatrix(fields, &study)
        case .calibration: try readCalibration(fields, &study)
        }
        return study
    }

    /// The keys of a study.
    static let keys = [
        "kind", "axes", "samples", "trajectories", "levels", "second_order", "resamples",
        "sampling_seed", "file", "design", "evaluations", "series", "hold_out",
    ]

    /// Which keys a kind of study has beside `kind` and `sampling_seed`.
    static func keys(of kind: Study.Kind) -> [String] {
        switch kind {
        case .single: []
        case .grid: ["axes"]
        case .monteCarlo, .latinHypercube: ["axes", "samples", "sampling_seed"]
        case .morris: ["axes", "trajectories", "levels", "resamples", "sampling_seed"]
        case .sobol: ["axes", "samples", "second_order", "resamples", "sampling_seed"]
        case .matrix: ["file", "design", "levels", "second_order", "resamples", "sampling_seed"]
        case .calibration: ["axes", "evaluations", "series", "hold_out"]
        }
    }

    private func refuseForeign(
        _ fields: ScenarioFields, _ kind: Study.Kind
    ) throws(ScenarioFault) {
        let allowed = Self.keys(of: kind)
        for pair in fields.pairs where pair.key != "kind" && !allowed.contains(pair.key) {
            let rest = allowed.isEmpty ? "" : "; it has \(allowed.joined(separator: ", "))"
            throw pair.keyNode.fault("a \(kind.rawValue) study has no `\(pair.key)`\(rest)")
        }
    }

    private func need(
        _ key: String, _ range: ClosedRange<Int>, _ fields: ScenarioFields
    ) throws(ScenarioFault) -> Int {
        if let number = try fields.whole(key, range) { return number }
        throw fields.node.fault("`\(key)` is missing")
    }

    private func readAxes(
        _ node: ScenarioNode, _ kind: Study.Kind
    ) throws(ScenarioFault) -> [StudyAxis] {
        let fields = ScenarioFields(node, "axes")
        let names = StudyAxis.names(model: scenario.model, rules: scenario.rules)
        try fields.only(names, of: "parameter or rule")
        var axes: [StudyAxis] = []
        for pair in fields.pairs {
            guard
                var axis = StudyAxis(pair.key, model: scenario.model, rules: scenario.rules)
            else { throw pair.keyNode.fault("`\(pair.key)` cannot be varied") }
            if case .list = pair.value.content {
                for value in try pair.value.list(most: 100_000) {
                    axis.values.append(try value.value(axis.spec))
                }
                if axis.values.isEmpty { throw pair.value.fault("an axis needs a value") }
                if kind != .grid {
                    throw pair.value.fault(
                        "a \(kind.rawValue) study needs `low` and `high` here, not a list")
                }
            } else {
                try readRange(pair.value, kind, &axis)
            }
            axes.append(axis)
        }
        return axes
    }

    private func readRange(
        _ node: ScenarioNode, _ kind: Study.Kind, _ axis: inout StudyAxis
    ) throws(ScenarioFault) {
        let fields = ScenarioFields(node, axis.name)
        try fields.only(kind == .grid ? ["low", "high", "points"] : ["low", "high"])
        guard let low = fields["low"], let high = fields["high"] else {
            throw node.fault("an axis needs `low` and `high`\(kind == .grid ? ", or a list" : "")")
        }
        axis.low = try low.value(axis.spec)
        axis.high = try high.value(axis.spec)
        if axis.low >= axis.high { throw high.fault("`high` must be above `low`") }
        guard kind == .grid else { return }
        let count = try need("points", 2...100_000, fields)
        let span = Int128(axis.high) - Int128(axis.low)
        if Int128(count) > span + 1 { throw node.fault("there are not so many values in between") }
        axis.values = (0..<count).map { point in
            let parts = Int128(count - 1)
            return Int64(Int128(axis.low) + (span * Int128(point) * 2 + parts) / (2 * parts))
        }
    }

    private func readMorris(
        _ fields: ScenarioFields, _ study: inout Study
    ) throws(ScenarioFault) {
        study.samples = try need("trajectories", 2...1_000_000, fields)
        study.levels = try readLevels(fields)
        for axis in study.axes where axis.high - axis.low < Int64(study.levels - 1) {
            throw (fields["axes"] ?? fields.node).fault(
                "`\(axis.name)` has fewer values than `levels`")
        }
    }

    private func readLevels(_ fields: ScenarioFields) throws(ScenarioFault) -> Int {
        guard let levels = try fields.whole("levels", 2...1_000) else { return 4 }
        if !levels.isMultiple(of: 2) {
            throw (fields["levels"] ?? fields.node).fault("`levels` must be even")
        }
        return levels
    }

    private func readSobol(
        _ fields: ScenarioFields, _ study: inout Study
    ) throws(ScenarioFault) {
        study.samples = try need("samples", 2...1 << 20, fields)
        study.secondOrder = try fields.flag("second_order") ?? true
        let place = fields["samples"] ?? fields.node
        if study.samples & (study.samples - 1) != 0 {
            let below = 1 << (Int.bitWidth - 1 - study.samples.leadingZeroBitCount)
            throw place.fault(
                "`samples` must be a power of two, or the sequence is out of balance; "
                    + "near are \(below) and \(2 * below)")
        }
        if 2 * study.axes.count > SobolSequence.mostDimensions {
            throw place.fault("a sobol study has at most \(SobolSequence.mostDimensions / 2) axes")
        }
    }

    private func readMatrix(
        _ fields: ScenarioFields, _ study: inout Study
    ) throws(ScenarioFault) {
        guard let place = fields["file"] else { throw fields.node.fault("`file` is missing") }
        let table = try CSVTable.read(try place.text(), folder: folder, place)
        for name in table.header {
            guard let axis = StudyAxis(name, model: scenario.model, rules: scenario.rules) else {
                let names = StudyAxis.names(model: scenario.model, rules: scenario.rules)
                throw place.fault(
                    "the column `\(name)` is no parameter or rule\(Nearest.hint(name, in: names))")
            }
            if study.axes.contains(where: { $0.name == name }) {
                throw place.fault("the column `\(name)` is there twice")
            }
            study.axes.append(axis)
        }
        for (number, row) in table.rows.enumerated() {
            for (axis, cell) in zip(study.axes, row) {
                study.rows.append(try axis.rounded(cell, row: number + 2, place))
            }
        }
        study.design = try fields.word("design", of: ["morris", "sobol"]).flatMap(Study.Kind.init)
        study.levels = try readLevels(fields)
        study.secondOrder = try fields.flag("second_order") ?? true
        try setSamples(&study, place)
    }

    private func setSamples(_ study: inout Study, _ place: ScenarioNode) throws(ScenarioFault) {
        guard let design = study.design else { return }
        let block =
            switch design {
            case .morris: study.axes.count + 1
            default: study.secondOrder ? 2 * study.axes.count + 2 : study.axes.count + 2
            }
        if study.pointCount < 2 * block || !study.pointCount.isMultiple(of: block) {
            throw place.fault(
                "a \(design.rawValue) sample of \(study.axes.count) columns has a multiple of "
                    + "\(block) rows, at least \(2 * block); the file has \(study.pointCount)")
        }
        study.samples = study.pointCount / block
    }

    private func readCalibration(
        _ fields: ScenarioFields, _ study: inout Study
    ) throws(ScenarioFault) {
        study.samples = try need("evaluations", 1...1_000_000, fields)
        guard let place = fields["series"] else { throw fields.node.fault("`series` is missing") }
        let table = try CSVTable.read(try place.text(), folder: folder, place)
        let metrics = scenario.model.metrics
        guard let step = table.header.firstIndex(of: "step"),
            let column = table.header.firstIndex(of: scenario.metric),
            let metric = metrics.firstIndex(where: { $0.name == scenario.metric })
        else {
            throw place.fault("the series needs the columns `step` and `\(scenario.metric)`")
        }
        var series = [Int64?](repeating: nil, count: scenario.steps)
        for (number, row) in table.rows.enumerated() {
            guard let at = Int(row[step]), (1...scenario.steps).contains(at) else {
                throw place.fault("line \(number + 2) of the series has a step outside the run")
            }
            do throws(ScenarioError) {
                series[at - 1] = try DecimalText.read(
                    row[column], places: metrics[metric].unit.places, rounding: true)
            } catch {
                throw place.fault("line \(number + 2) of the series: \(error.reason)")
            }
        }
        let known = series.count { $0 != nil }
        let heldOut = try fields.whole("hold_out", 0...StudyScenario.mostSteps) ?? 0
        if known - heldOut < 1 { throw place.fault("the series has no value to fit") }
        study.target = CalibrationTarget(metric: metric, series: series, heldOut: heldOut)
    }
}

extension StudyAxis {
    /// A cell that another program wrote, which may have more decimals than there are places.
    fileprivate func rounded(
        _ cell: String, row: Int, _ place: ScenarioNode
    ) throws(ScenarioFault) -> Int64 {
        do throws(ScenarioError) {
            let value: Int64
            if case .choice = spec.unit {
                value = try spec.unit.read(cell)
            } else {
                value = try DecimalText.read(cell, places: spec.unit.places, rounding: true)
            }
            return try spec.checked(value, cell)
        } catch {
            throw place.fault("line \(row) of the file, \(name): \(error.reason)")
        }
    }
}
