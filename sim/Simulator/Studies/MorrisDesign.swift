/// Trajectories on a grid of levels, each of which changes every axis once, by the same step.
///
/// Source: M. Morris, Factorial Sampling Plans for Preliminary Computational Experiments,
/// Technometrics 33 (1991). The step is `levels / (2 * (levels - 1))` of an axis's range, as there.
struct MorrisDesign {
    let study: Study

    init(_ study: Study) { self.study = study }

    /// The step as a part of an axis's range.
    static func delta(levels: Int) -> Double { Double(levels) / Double(2 * (levels - 1)) }

    /// For each trajectory a start and a point after each change.
    func points() -> [Int64] {
        let (axes, levels) = (study.axes, study.levels)
        let draws = Draws(seed: study.samplingSeed)
        var points: [Int64] = []
        points.reserveCapacity(study.pointCount * axes.count)
        for trajectory in 0..<study.samples {
            let luck = draws.stream(.morris, step: trajectory)
            // The lower half of the levels can go up by half of them, the upper half down.
            var place = axes.indices.map { axis in
                Int(luck.below(Int64(levels), axis))
            }
            let order = draws.stream(.permutation, step: trajectory)
                .permutation(of: axes.count)
            points += row(place)
            for axis in order {
                place[axis] += place[axis] < levels / 2 ? levels / 2 : -(levels / 2)
                points += row(place)
            }
        }
        return points
    }

    private func row(_ places: [Int]) -> [Int64] {
        zip(study.axes, places).map { axis, place in
            let parts = Int128(study.levels - 1)
            let span = Int128(axis.high) - Int128(axis.low)
            return Int64(Int128(axis.low) + (span * Int128(place) * 2 + parts) / (2 * parts))
        }
    }
}
