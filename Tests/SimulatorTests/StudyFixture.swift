import Economics
import Simulator

/// A small study of CMW-1, run here, as the files that a report is made of.
struct StudyFixture {
    var kind = "grid"
    /// What is varied: a parameter and its values as units of the last place.
    var axes: [(name: String, values: [Int64])] = []
    var metric = "pool_money"
    var agents: Int64 = 200
    var steps = 120
    var replicates = 5
    /// More of `manifest.json`, as JSON with a comma before it.
    var more = ""

    private func text(_ value: Int64, _ unit: Quantity) -> String {
        guard case .decimal(let places, _) = unit else { return "\(value)" }
        let digits = String(value.magnitude)
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        return (value < 0 ? "-" : "") + padded.dropLast(places) + "." + padded.suffix(places)
    }

    private func unit(_ unit: Quantity) -> String {
        switch unit {
        case .count(let of), .decimal(_, let of): of
        case .choice: ""
        }
    }

    /// All points: every combination of the axes' values, or for other kinds one value of each.
    private var points: [[Int64]] {
        if kind != "grid" {
            return (0..<(axes.first?.values.count ?? 1)).map { place in
                axes.map { $0.values[place] }
            }
        }
        return axes.reduce([[]]) { points, axis in
            points.flatMap { point in axis.values.map { point + [$0] } }
        }
    }

    /// Runs it.
    func files() throws -> ReportFiles {
        let specs = CMW1.parameters
        let varied = axes.compactMap { axis in specs.firstIndex { $0.name == axis.name } }
        let names = CMW1.metrics.map(\.name)
        let columns = axes.map { ",\($0.name)" }.joined()
        var final = "run,point,replicate,seed\(columns),\(names.joined(separator: ","))\n"
        var results = "run,step,\(names.joined(separator: ","))\n"
        var bands = "point,step,metric,mean,p5,p50,p95\n"
        for (number, point) in points.enumerated() {
            var values = specs.map(\.standard)
            values[0] = agents
            for (place, value) in zip(varied, point) { values[place] = value }
            var all: [[[Int64]]] = []
            let words = zip(varied, point).map { "," + text($1, specs[$0].unit) }.joined()
            for replicate in 0..<replicates {
                let run = number * replicates + replicate
                let seed = UInt64(42 + replicate)
                var market = try CMW1(values, rules: Parameters(), seed: seed)
                var rows: [[Int64]] = []
                var row = [Int64](repeating: 0, count: names.count)
                for step in 1...steps {
                    market.step(into: &row)
                    rows.append(row)
                    results += "\(run),\(step),\(cells(row))\n"
                }
                final += "\(run),\(number),\(replicate),\(seed)\(words),\(cells(row))\n"
                all.append(rows)
            }
            for step in 0..<steps {
                for (place, spec) in CMW1.metrics.enumerated() {
                    let sorted = all.map { $0[step][place] }.sorted()
                    let band = [0.05, 0.5, 0.95].map { share in
                        text(sorted[Int(Double(sorted.count - 1) * share)], spec.unit)
                    }
                    bands += "\(number),\(step + 1),\(spec.name),\(band[1]),"
                    bands += "\(band.joined(separator: ","))\n"
                }
            }
        }
        var files = ReportFiles(manifest: manifest, final: final, dictionary: dictionary)
        files.results = results
        files.bands = replicates > 1 ? bands : nil
        return files
    }

    private func cells(_ row: [Int64]) -> String {
        zip(row, CMW1.metrics).map { text($0, $1.unit) }.joined(separator: ",")
    }

    private var dictionary: String {
        var lines = "column,kind,unit,about\n"
        for spec in CMW1.parameters {
            lines += "\(spec.name),parameter,\(unit(spec.unit)),\"\(spec.about)\"\n"
        }
        for spec in CMW1.metrics {
            lines += "\(spec.name),metric,\(unit(spec.unit)),\"\(spec.about)\"\n"
        }
        return lines
    }

    private var manifest: String {
        let specs = CMW1.parameters
        let list = axes.map { axis in
            let unit = specs.first { $0.name == axis.name }?.unit ?? .count(of: "")
            let words = axis.values.map { "\"\(text($0, unit))\"" }
            return kind == "grid"
                ? "{\"name\":\"\(axis.name)\",\"values\":[\(words.joined(separator: ","))]}"
                : "{\"name\":\"\(axis.name)\",\"low\":\(words.min() ?? "0"),\"high\":"
                    + "\(words.max() ?? "0")}"
        }
        let parameters = specs.map { "\"\($0.name)\":\"\(text($0.standard, $0.unit))\"" }
        return """
            {"version":"0.1.0","commit":"0000","model":"cmw1","metric":"\(metric)",
            "steps":\(steps),"seed":42,"replicates":\(replicates),
            "study":{"kind":"\(kind)","axes":[\(list.joined(separator: ","))]},
            "parameters":{\(parameters.joined(separator: ","))},
            "rules":{"minimum_bond":"10.00","emission":{"policy":"halving","interval":"100"}},
            "scenario_hash":"00ff"\(more)}
            """
    }
}
