import Foundation

/// The tables that follow from a study's sorted results: the last step of each run, means for other
/// programs, bands over replicates, and the indices of Morris and Sobol.
struct StudyTables {
    private let manifest: StudyManifest
    private let model: any SimulationModel.Type
    private let folder: StudyFolder

    init(_ manifest: StudyManifest, _ model: any SimulationModel.Type, _ folder: StudyFolder) {
        self.manifest = manifest
        self.model = model
        self.folder = folder
    }

    /// Reads `results.csv` and `runs.csv` once, from their starts to their ends.
    func write() throws(StudyFault) {
        let metrics = model.metrics
        var results = try LineReader(folder.file("results.csv"))
        var runs = try LineReader(folder.file("runs.csv"))
        _ = try results.next()
        let final = try FileOutput(folder.file("final.csv"))
        let names = metrics.map { ",\($0.name)" }.joined()
        guard let header = try runs.next() else { throw damaged("runs.csv") }
        try final.write(header)
        try final.write(Array((names + "\n").utf8))
        var bands = try StudyBands(manifest, metrics, folder)
        var means: [Double] = []
        let rows = ResultsShape(manifest, model).steps.count
        for _ in 0..<manifest.runs / manifest.replicates {
            var sums = [Int128](repeating: 0, count: metrics.count)
            for replicate in 0..<manifest.replicates {
                guard let run = try runs.next() else { throw damaged("runs.csv") }
                for row in 0..<rows {
                    guard let line = try results.next() else { throw damaged("results.csv") }
                    let isLast = row == rows - 1
                    guard isLast || bands != nil else { continue }
                    let cells = line.split(
                        separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
                    let values = try numbers(cells, metrics)
                    bands?.take(values, replicate: replicate, row: row)
                    guard isLast else { continue }
                    for place in sums.indices { sums[place] += Int128(values[place]) }
                    try final.write(run)
                    try final.write(line[cells[1].endIndex...])
                    try final.write([UInt8(ascii: "\n")])
                }
            }
            try bands?.endPoint()
            for (sum, metric) in zip(sums, metrics) {
                means.append(metric.unit.natural(Double(sum) / Double(manifest.replicates)))
            }
        }
        try final.finish()
        try bands?.finish()
        try writeMeans(means)
        try writeIndices(means)
    }

    private func damaged(_ name: String) -> StudyFault {
        StudyFault("\(folder.file(name).path) is damaged; delete it and run again", .results)
    }

    private func numbers(
        _ cells: [ArraySlice<UInt8>], _ metrics: [MetricSpec]
    ) throws(StudyFault) -> [Int64] {
        var values: [Int64] = []
        for (cell, metric) in zip(cells.dropFirst(2), metrics) {
            guard let value = metric.unit.value(of: cell) else { throw damaged("results.csv") }
            values.append(value)
        }
        return values
    }

    /// `Y.csv`: the mean of each metric at each point, for programs that want one column of it.
    private func writeMeans(_ means: [Double]) throws(StudyFault) {
        guard !manifest.study.axes.isEmpty else { return }
        let width = model.metrics.count
        let output = try FileOutput(folder.file("Y.csv"))
        try output.write(Array((model.metrics.map(\.name).joined(separator: ",") + "\n").utf8))
        for start in stride(from: 0, to: means.count, by: width) {
            let cells = means[start..<start + width].map { "\($0)" }
            try output.write(Array((cells.joined(separator: ",") + "\n").utf8))
        }
        try output.finish()
    }

    private func writeIndices(_ means: [Double]) throws(StudyFault) {
        let plan = manifest.study
        let kind = plan.kind == .matrix ? plan.design : plan.kind
        guard kind == .morris || kind == .sobol else { return }
        let width = model.metrics.count
        let axes = plan.axes.count
        let output = try FileOutput(folder.file("indices.csv"))
        try output.write(Array("metric,parameter,index,other,value,low,high\n".utf8))
        let draws = Draws(seed: plan.samplingSeed ?? 1)
        let signs = kind == .morris ? try morrisSigns() : []
        for (place, metric) in model.metrics.enumerated() {
            let series = stride(from: place, to: means.count, by: width).map { means[$0] }
            let indices: [SensitivityIndex]
            if kind == .morris {
                indices = MorrisEffects(series, signs: signs, axes: axes, levels: plan.levels ?? 4)
                    .indices(resamples: plan.resamples ?? 200, draws: draws)
            } else {
                indices = SobolIndices(series, axes: axes, secondOrder: plan.secondOrder ?? true)
                    .indices(resamples: plan.resamples ?? 200, draws: draws)
            }
            for index in indices {
                let other = index.other.map { plan.axes[$0].name } ?? ""
                let cells: [String] = [
                    metric.name, plan.axes[index.axis].name, index.name, other, "\(index.value)",
                    "\(index.low)", "\(index.high)",
                ]
                try output.write(Array((cells.joined(separator: ",") + "\n").utf8))
            }
        }
        try output.finish()
    }

    /// For each point but a trajectory's first: which axis changed from the one before, and whether
    /// up.
    private func morrisSigns() throws(StudyFault) -> [MorrisEffects.Change] {
        let axes = manifest.study.axes.count
        var lines = try LineReader(folder.file("params.csv"))
        _ = try lines.next()
        var changes: [MorrisEffects.Change] = []
        var last: [Double] = []
        var number = 0
        while let line = try lines.next() {
            let cells = String(decoding: line, as: UTF8.self).split(separator: ",")
            let point = cells.enumerated().map { place, cell in
                Double(cell) ?? choice(String(cell), place)
            }
            guard point.count == axes else { throw damaged("params.csv") }
            if !number.isMultiple(of: axes + 1) {
                let changed = (0..<axes).filter { point[$0] != last[$0] }
                guard changed.count == 1 else {
                    throw StudyFault(
                        "row \(number + 1) of params.csv does not change one value from the row "
                            + "before: this is no morris sample")
                }
                let axis = changed[0]
                changes.append(MorrisEffects.Change(axis: axis, isUp: point[axis] > last[axis]))
            }
            last = point
            number += 1
        }
        return changes
    }

    /// The place of a word among an axis's choices.
    private func choice(_ word: String, _ axis: Int) -> Double {
        let words = manifest.study.axes[axis].unit.split(separator: "|").map(String.init)
        return Double(words.firstIndex(of: word) ?? -1)
    }
}

extension Quantity {
    /// A value in natural units.
    func natural(_ value: Double) -> Double {
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        return value / scale
    }

    /// The value of text that `write` wrote; `nil` for anything else.
    func value(of cell: ArraySlice<UInt8>) -> Int64? {
        if case .choice(let words) = self {
            return words.firstIndex(of: String(decoding: cell, as: UTF8.self)).map(Int64.init)
        }
        var value: Int64 = 0
        var decimals = -1
        let isNegative = cell.first == UInt8(ascii: "-")
        for byte in isNegative ? cell.dropFirst() : cell {
            if byte == UInt8(ascii: "."), decimals < 0 {
                decimals = 0
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            // Downward, since the least number has no positive of its own.
            value = value &* 10 &- Int64(byte - UInt8(ascii: "0"))
            if decimals >= 0 { decimals += 1 }
        }
        for _ in max(0, decimals)..<max(places, decimals, 0) { value = value &* 10 }
        return isNegative ? value : 0 &- value
    }
}
