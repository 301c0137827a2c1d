/// One number that says how much a metric depends on an axis.
struct SensitivityIndex: Sendable {
    let axis: Int
    /// The other axis of a second-order index.
    var other: Int?
    /// `first`, `total`, `second`, `mu`, `mu_star` or `sigma`.
    let name: String
    let value: Double
    /// The 2.5 and 97.5 % quantiles over bootstrap resamples.
    let low: Double
    let high: Double

    init(
        axis: Int, other: Int? = nil, name: String, resampled: [Double], value: Double
    ) {
        self.axis = axis
        self.other = other
        self.name = name
        self.value = value
        let sorted = resampled.sorted()
        low = Quantile.of(sorted, 0.025)
        high = Quantile.of(sorted, 0.975)
    }
}

/// Indices of variance from Saltelli's sample.
///
/// Source: first and total order as A. Saltelli and others, Computer Physics Communications 181
/// (2010), table 2 (b) and (f); second order as A. Saltelli, Computer Physics Communications 145
/// (2002); all of values that are centred and scaled first, as SALib does, whose numbers these are.
struct SobolIndices {
    private let axes: Int
    private let rows: Int
    private let block: Int
    private let secondOrder: Bool
    /// In the order of the sample.
    private let values: [Double]
    private let isConstant: Bool

    init(_ series: [Double], axes: Int, secondOrder: Bool) {
        self.axes = axes
        self.secondOrder = secondOrder
        block = secondOrder ? 2 * axes + 2 : axes + 2
        rows = series.count / block
        let mean = series.reduce(0, +) / Double(series.count)
        let variance = series.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(series.count)
        isConstant = series.allSatisfy { $0 == series[0] }
        let scale = isConstant ? 1 : variance.squareRoot()
        values = series.map { ($0 - mean) / scale }
    }

    /// First and total order of each axis, then second order of each pair. None for a metric that
    /// does not vary.
    func indices(resamples: Int, draws: Draws) -> [SensitivityIndex] {
        if isConstant { return [] }
        let whole = one(Array(0..<rows))
        var drawn: [[Double]] = []
        for resample in 0..<resamples {
            let luck = draws.stream(.bootstrap, step: resample)
            drawn.append(one((0..<rows).map { Int(luck.below(Int64(rows), $0)) }))
        }
        let names = labels
        return names.indices.map { place in
            let (name, axis, other) = names[place]
            return SensitivityIndex(
                axis: axis, other: other, name: name, resampled: drawn.map { $0[place] },
                value: whole[place])
        }
    }

    private var labels: [(String, Int, Int?)] {
        var labels: [(String, Int, Int?)] = []
        for axis in 0..<axes { labels += [("first", axis, nil), ("total", axis, nil)] }
        guard secondOrder else { return labels }
        for axis in 0..<axes {
            for other in axis + 1..<axes { labels.append(("second", axis, other)) }
        }
        return labels
    }

    /// All indices over these rows, in the order of `labels`.
    private func one(_ chosen: [Int]) -> [Double] {
        let count = Double(chosen.count)
        let last = block - 1
        var mean = 0.0
        for row in chosen { mean += values[row * block] + values[row * block + last] }
        mean /= 2 * count
        var variance = 0.0
        for row in chosen {
            let (first, second) = (values[row * block] - mean, values[row * block + last] - mean)
            variance += first * first + second * second
        }
        variance /= 2 * count
        if variance == 0 { return labels.map { _ in 0 } }
        var found: [Double] = []
        for axis in 0..<axes {
            var (first, total) = (0.0, 0.0)
            for row in chosen {
                let start = row * block
                let (a, ab, b) = (values[start], values[start + 1 + axis], values[start + last])
                first += b * (ab - a)
                total += (a - ab) * (a - ab)
            }
            found += [first / count / variance, total / count / variance / 2]
        }
        guard secondOrder else { return found }
        for axis in 0..<axes {
            for other in axis + 1..<axes {
                var both = 0.0
                for row in chosen {
                    let start = row * block
                    let ba = values[start + 1 + axes + axis]
                    both += ba * values[start + 1 + other] - values[start] * values[start + last]
                }
                found.append(both / count / variance - found[2 * axis] - found[2 * other])
            }
        }
        return found
    }
}

/// Elementary effects from Morris's trajectories.
///
/// Source: Morris 1991 (mu, sigma); F. Campolongo, J. Cariboni and A. Saltelli, Environmental
/// Modelling & Software 22 (2007) (mu*). The step counts as a part of an axis's range.
struct MorrisEffects {
    /// How a point differs from the one before it.
    struct Change: Sendable {
        let axis: Int
        let isUp: Bool
    }

    /// By axis, then trajectory.
    private var effects: [[Double]]

    init(_ series: [Double], signs: [Change], axes: Int, levels: Int) {
        let delta = MorrisDesign.delta(levels: levels)
        effects = Array(repeating: [], count: axes)
        for (place, change) in signs.enumerated() {
            let point = place / axes * (axes + 1) + place % axes + 1
            let difference = series[point] - series[point - 1]
            effects[change.axis].append((change.isUp ? difference : -difference) / delta)
        }
    }

    /// `mu`, `mu_star` and `sigma` of each axis.
    func indices(resamples: Int, draws: Draws) -> [SensitivityIndex] {
        var found: [SensitivityIndex] = []
        for axis in effects.indices {
            let whole = Self.statistics(effects[axis])
            let count = effects[axis].count
            let drawn = (0..<resamples).map { resample in
                let luck = draws.stream(.bootstrap, step: resample)
                return Self.statistics(
                    (0..<count).map { effects[axis][Int(luck.below(Int64(count), $0))] })
            }
            for (place, name) in ["mu", "mu_star", "sigma"].enumerated() {
                found.append(
                    SensitivityIndex(
                        axis: axis, name: name, resampled: drawn.map { $0[place] },
                        value: whole[place]))
            }
        }
        return found
    }

    private static func statistics(_ effects: [Double]) -> [Double] {
        let count = Double(effects.count)
        let mean = effects.reduce(0, +) / count
        let absolute = effects.reduce(0) { $0 + abs($1) } / count
        let squares = effects.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return [mean, absolute, effects.count > 1 ? (squares / (count - 1)).squareRoot() : 0]
    }
}
