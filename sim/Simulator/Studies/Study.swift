/// What a study asks a model: which points, how often each.
public struct Study: Hashable, Sendable {
    /// How the points are chosen; the raw values are the names in files.
    public enum Kind: String, CaseIterable, Codable, Sendable {
        /// One point: the scenario as it is.
        case single
        /// Every combination of the axes' values.
        case grid
        /// Points at random, uniform between low and high.
        case monteCarlo = "monte_carlo"
        /// Points at random, with one in each stratum of each axis.
        case latinHypercube = "lhs"
        /// Trajectories on which one axis changes at a time (Morris 1991).
        case morris
        /// Saltelli's sample over Sobol's sequence, for indices of variance.
        case sobol
        /// The rows of a file.
        case matrix
        /// A search for the point whose series is nearest to a given one.
        case calibration
    }

    /// How the points are chosen.
    public var kind: Kind
    /// What is varied, in the order of the file.
    public var axes: [StudyAxis] = []
    /// Points of Monte Carlo and Latin hypercube; rows of Sobol's sequence; trajectories of Morris;
    /// the most evaluations of a calibration.
    public var samples = 1
    /// Grid levels of Morris.
    public var levels = 4
    /// Whether Sobol's sample is to give second-order indices too.
    public var secondOrder = true
    /// Bootstrap resamples behind each band of an index.
    public var resamples = 200
    /// What the choice of points follows from; runs have another seed.
    public var samplingSeed: UInt64 = 1
    /// The rows of a matrix, row after row, a value for each axis.
    public var rows: [Int64] = []
    /// What a matrix was sampled for, so that its indices can be told.
    public var design: Kind?
    /// What a calibration is to come near to.
    public var target: CalibrationTarget?

    /// The scenario as it is.
    public init(_ kind: Kind = .single) { self.kind = kind }

    /// What the results can be analysed as: `morris`, `sobol` or nothing.
    var analysis: Kind? {
        switch kind {
        case .morris, .sobol: kind
        case .matrix: design
        default: nil
        }
    }

    /// Points in all.
    public var pointCount: Int {
        switch kind {
        case .single: 1
        case .grid: axes.reduce(1) { product($0, $1.values.count) }
        case .monteCarlo, .latinHypercube, .calibration: samples
        case .morris: product(samples, axes.count + 1)
        case .sobol: product(samples, secondOrder ? 2 * axes.count + 2 : axes.count + 2)
        case .matrix: axes.isEmpty ? 0 : rows.count / axes.count
        }
    }

    private func product(_ one: Int, _ other: Int) -> Int {
        let (whole, overflow) = one.multipliedReportingOverflow(by: other)
        return overflow ? .max : whole
    }

    /// All points, row after row, a value for each axis. The same for the same study, everywhere.
    public func points() -> StudyPoints {
        let values: [Int64] =
            switch kind {
            case .single, .calibration: []
            case .grid: gridPoints()
            case .monteCarlo: monteCarloPoints()
            case .latinHypercube: latinHypercubePoints()
            case .morris: MorrisDesign(self).points()
            case .sobol: saltelliPoints()
            case .matrix: rows
            }
        return StudyPoints(axes: axes, values: values, count: kind == .calibration ? 0 : pointCount)
    }

    private func gridPoints() -> [Int64] {
        let count = pointCount
        var points: [Int64] = []
        points.reserveCapacity(count * axes.count)
        for point in 0..<count {
            var block = count
            for axis in axes {
                block /= axis.values.count
                points.append(axis.values[point / block % axis.values.count])
            }
        }
        return points
    }

    private func monteCarloPoints() -> [Int64] {
        let draws = Draws(seed: samplingSeed)
        var points: [Int64] = []
        for point in 0..<samples {
            let luck = draws.stream(.monteCarlo, step: point)
            for (place, axis) in axes.enumerated() {
                points.append(axis.value(at: luck[place]))
            }
        }
        return points
    }

    private func latinHypercubePoints() -> [Int64] {
        var points = [Int64](repeating: 0, count: samples * axes.count)
        let draws = Draws(seed: samplingSeed)
        for (place, axis) in axes.enumerated() {
            let strata = draws.stream(.permutation, step: place).permutation(of: samples)
            for point in 0..<samples {
                // (stratum + fraction) / samples, as parts of 2^64.
                let fraction = draws.stream(.latinHypercube, step: point)[place]
                let parts = UInt64(samples).dividingFullWidth((UInt64(strata[point]), fraction))
                points[point * axes.count + place] = axis.value(at: parts.quotient)
            }
        }
        return points
    }

    /// In the order of SALib, so that either can analyse the other's runs: for each row of the
    /// sequence A; A with one column of B, for each; B with one column of A, for each; B.
    private func saltelliPoints() -> [Int64] {
        let width = axes.count
        var sequence = SobolSequence(dimensions: 2 * width)
        // Point 0 is zero; as many points as are used are left out, so that those used are a net.
        sequence.skip(samples - 1)
        var points: [Int64] = []
        points.reserveCapacity(pointCount * width)
        for _ in 0..<samples {
            let row = sequence.next()
            let both = (0..<2 * width).map { axes[$0 % width].value(at: row[$0]) }
            let (one, other) = (both[..<width], both[width...])
            points += one
            for swapped in 0..<width {
                for column in 0..<width {
                    points.append(column == swapped ? both[width + column] : both[column])
                }
            }
            if secondOrder {
                for swapped in 0..<width {
                    for column in 0..<width {
                        points.append(column == swapped ? both[column] : both[width + column])
                    }
                }
            }
            points += other
        }
        return points
    }
}

extension StudyAxis {
    /// The value at a fraction of 2^64 between low and high: every value is as likely as the
    /// others.
    func value(at fraction: UInt64) -> Int64 {
        let span = UInt64(bitPattern: high &- low)
        if span == .max { return low &+ Int64(bitPattern: fraction) }
        return low &+ Int64(bitPattern: fraction.multipliedFullWidth(by: span + 1).high)
    }
}

/// The points of a study.
public struct StudyPoints: Sendable {
    /// What is varied.
    public let axes: [StudyAxis]
    /// Row after row, a value for each axis.
    public let values: [Int64]
    /// How many points.
    public let count: Int

    /// One point's values.
    public subscript(point: Int) -> ArraySlice<Int64> {
        values[point * axes.count..<(point + 1) * axes.count]
    }
}
