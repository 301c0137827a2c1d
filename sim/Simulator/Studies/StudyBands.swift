import Foundation

/// `bands.csv`: mean, median and the 5 and 95 % quantiles over the replicates of each point, at
/// each step that is recorded.
struct StudyBands {
    private let metrics: [MetricSpec]
    private let replicates: Int
    private let steps: [Int]
    private let output: FileOutput
    private var point = 0
    /// By row, metric and replicate.
    private var values: [Int64]

    /// `nil` where there is but one replicate.
    init?(
        _ manifest: StudyManifest, _ metrics: [MetricSpec], _ folder: StudyFolder
    ) throws(StudyFault) {
        if manifest.replicates < 2 { return nil }
        self.metrics = metrics
        replicates = manifest.replicates
        let first = (manifest.from?.step ?? 0) + 1
        steps = manifest.record == .steps ? Array(first...manifest.steps) : [manifest.steps]
        values = Array(repeating: 0, count: steps.count * metrics.count * replicates)
        output = try FileOutput(folder.file("bands.csv"))
        try output.write(Array("point,step,metric,mean,p5,p50,p95\n".utf8))
    }

    mutating func take(_ row: [Int64], replicate: Int, row step: Int) {
        for metric in row.indices {
            values[(step * metrics.count + metric) * replicates + replicate] = row[metric]
        }
    }

    mutating func endPoint() throws(StudyFault) {
        for (row, step) in steps.enumerated() {
            for (place, metric) in metrics.enumerated() {
                let start = (row * metrics.count + place) * replicates
                let sorted = values[start..<start + replicates].sorted().map(Double.init)
                var sum: Int128 = 0
                for value in values[start..<start + replicates] { sum += Int128(value) }
                let unit = metric.unit
                let cells = [
                    Double(sum) / Double(replicates), Quantile.of(sorted, 0.05),
                    Quantile.of(sorted, 0.5), Quantile.of(sorted, 0.95),
                ].map { "\(unit.natural($0))" }
                let line = "\(point),\(step),\(metric.name),\(cells.joined(separator: ","))\n"
                try output.write(Array(line.utf8))
            }
        }
        point += 1
    }

    func finish() throws(StudyFault) { try output.finish() }
}

/// Quantiles by straight lines between neighbours (Hyndman and Fan's type 7, as NumPy and pandas).
enum Quantile {
    /// The quantile of sorted values, of which there is one at least.
    static func of(_ sorted: [Double], _ share: Double) -> Double {
        let place = Double(sorted.count - 1) * share
        let below = Int(place)
        if below + 1 >= sorted.count { return sorted[sorted.count - 1] }
        return sorted[below] + (sorted[below + 1] - sorted[below]) * (place - Double(below))
    }
}
