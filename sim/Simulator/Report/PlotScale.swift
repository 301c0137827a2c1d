import Foundation

/// Numbers along a stretch of a drawing, with ticks at round ones.
struct PlotScale {
    let low: Double
    let high: Double
    /// Where the two lie.
    let from: Double
    let to: Double
    let isLogarithmic: Bool
    let ticks: [(value: Double, text: String)]

    /// A scale that holds all values; not numbers are not looked at. With `zero` it begins or ends
    /// at 0 where that costs little.
    init(
        _ values: [Double], from: Double, to: Double, ticks wanted: Int = 5, zero: Bool = false,
        padded: Bool = false, logarithmic: Bool = false
    ) {
        let known = values.filter(\.isFinite)
        var (low, high) = (known.min() ?? 0, known.max() ?? 1)
        (self.from, self.to) = (from, to)
        if logarithmic, low > 0, high > low {
            (self.low, self.high, isLogarithmic) = (low, high, true)
            let powers = Int(floor(log10(low)))...Int(ceil(log10(high)))
            let factors: [Double] = powers.count > 3 ? [1] : [1, 2, 5]
            let marks = powers.flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
            ticks = marks.filter { $0 >= low * 0.999 && $0 <= high * 1.001 }
                .map { ($0, ReportNumber.short($0)) }
            return
        }
        if zero, low > 0, low < high * 0.6 || low == high { low = 0 }
        if zero, high < 0, high > low * 0.6 || low == high { high = 0 }
        if low == high {
            let room = low == 0 ? 1 : abs(low) * 0.1
            (low, high) = (low - room, high + room)
        }
        let step = PlotScale.step(high - low, wanted)
        if padded {
            low = floor(low / step + 1e-9) * step
            high = ceil(high / step - 1e-9) * step
        }
        (self.low, self.high, isLogarithmic) = (low, high, false)
        var marks: [(Double, String)] = []
        var mark = ceil(low / step - 1e-9)
        while mark * step <= high + step * 1e-9 {
            marks.append((mark * step, ReportNumber.tick(mark * step, step: step)))
            mark += 1
        }
        ticks = marks
    }

    /// 1, 2, 2.5 or 5 times a power of ten, so that about `wanted` of them fit.
    private static func step(_ span: Double, _ wanted: Int) -> Double {
        let rough = span / Double(wanted)
        let power = pow(10, floor(log10(rough)))
        let factor = [1, 2, 2.5, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10
        return factor * power
    }

    func place(_ value: Double) -> Double {
        let part =
            isLogarithmic
            ? log(max(value, low) / low) / log(high / low) : (value - low) / (high - low)
        return from + (to - from) * part
    }
}
