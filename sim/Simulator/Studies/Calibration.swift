import Economics
import Foundation
import Synchronization

/// The point whose series came nearest to the given one.
public struct CalibrationFit: Codable, Hashable, Sendable {
    /// A parameter and what it should be.
    public struct Value: Codable, Hashable, Sendable {
        /// The parameter, or `rules.` and a rule.
        public var name: String
        /// Its value as decimal text.
        public var value: String
    }
    /// The best values.
    public var values: [Value]
    /// Root of the mean squared error over the fitted steps, in the metric's unit.
    public var error: Double
    /// The same over the steps that were held out.
    public var heldOutError: Double?
    /// Points that were tried.
    public var evaluations: Int
    /// Whether the search ended because no neighbour on the grid is better.
    public var isLocalMinimum: Bool

    enum CodingKeys: String, CodingKey {
        case values, evaluations
        case error = "rmse"
        case heldOutError = "rmse_held_out"
        case isLocalMinimum = "is_local_minimum"
    }
}

/// Searches the values of a study's axes whose series comes nearest to a given one.
///
/// A pattern search (R. Hooke and T. A. Jeeves, JACM 8, 1961) on the integer grid: first Sobol's
/// points over the whole box, then from the best one steps along each axis, which halve whenever no
/// neighbour is better, down to the last place. A point's series is the mean over the replicates,
/// whose seeds are the same for every point, so the error is a function of the point alone.
public struct Calibration: Sendable {
    private let scenario: StudyScenario
    private let folder: StudyFolder
    /// Threads.
    public var threads = max(1, ProcessInfo.processInfo.activeProcessorCount)

    /// A calibration; its files go to `folder`.
    public init(_ scenario: StudyScenario, folder: StudyFolder) {
        self.scenario = scenario
        self.folder = folder
    }

    /// Searches, and writes `calibration.csv` with every point that was tried. What an earlier
    /// process tried before it was killed is not tried again.
    public func run(
        version: String, commit: String,
        progress: @escaping @Sendable (StudyProgress) -> Void = { _ in }
    ) throws(StudyFault) -> CalibrationFit {
        guard let target = scenario.study.target else { throw StudyFault("there is no series") }
        let manifest = StudyManifest(scenario, version: version, commit: commit)
        try folder.prepare(scenario, manifest)
        let log = try CalibrationLog(scenario.study.axes, folder)
        var search = Search(scenario, target)
        let started = ContinuousClock.now
        var isMinimum = false
        while search.trials.count < scenario.study.samples {
            let wanted = search.next()
            if wanted.isEmpty {
                isMinimum = true
                break
            }
            let room = scenario.study.samples - search.trials.count
            let points = Array(wanted.prefix(room))
            search.take(try evaluate(points, from: search.trials.count, target, log))
            let spent = (ContinuousClock.now - started) / .seconds(1)
            let rate = Double(search.trials.count) / max(spent, 1e-9)
            let left = Double(scenario.study.samples - search.trials.count) / rate
            progress(
                StudyProgress(
                    done: search.trials.count, total: scenario.study.samples, rate: rate, left: left
                ))
        }
        try log.finish(search.trials)
        let best = search.best
        let values = zip(scenario.study.axes, best.point).map { axis, value in
            CalibrationFit.Value(name: axis.name, value: axis.spec.unit.text(value))
        }
        return CalibrationFit(
            values: values, error: best.error, heldOutError: best.heldOut,
            evaluations: search.trials.count, isLocalMinimum: isMinimum)
    }

    /// All these points, over the threads; the order of the results is that of the points. The
    /// first of them is the evaluation of this number.
    private func evaluate(
        _ points: [[Int64]], from first: Int, _ target: CalibrationTarget, _ log: CalibrationLog
    ) throws(StudyFault) -> [CalibrationTrial] {
        let next = Mutex(0)
        let done = Mutex<[(Int, Result<CalibrationTrial, StudyFault>)]>([])
        let group = DispatchGroup()
        for _ in 0..<min(threads, points.count) {
            group.enter()
            Thread.detachNewThread {
                while true {
                    let place = next.withLock { place in
                        defer { place += 1 }
                        return place
                    }
                    guard place < points.count else { break }
                    let result: Result<CalibrationTrial, StudyFault>
                    do throws(StudyFault) {
                        result = .success(
                            try trial(points[place], number: first + place, target, log))
                    } catch {
                        result = .failure(error)
                    }
                    done.withLock { $0.append((place, result)) }
                }
                group.leave()
            }
        }
        group.wait()
        var trials: [CalibrationTrial] = []
        for (_, result) in done.withLock({ $0 }).sorted(by: { $0.0 < $1.0 }) {
            trials.append(try result.get())
        }
        return trials
    }

    /// A point's errors: those that are known, or else those of its runs, which are then known.
    private func trial(
        _ point: [Int64], number: Int, _ target: CalibrationTarget, _ log: CalibrationLog
    ) throws(StudyFault) -> CalibrationTrial {
        if let known = log.known[point] { return known }
        let trial: CalibrationTrial
        do throws(ScenarioError) {
            trial = try self.trial(scenario.model, point, target)
        } catch {
            throw StudyFault(error.reason)
        }
        try log.append(number, trial)
        return trial
    }

    private func trial<Model: SimulationModel>(
        _ type: Model.Type, _ point: [Int64], _ target: CalibrationTarget
    ) throws(ScenarioError) -> CalibrationTrial {
        let (values, rules) = try scenario.setting(point[...])
        var row = [Int64](repeating: 0, count: Model.metrics.count)
        var sums = [Int128](repeating: 0, count: scenario.steps)
        for replicate in 0..<scenario.replicates {
            var model = try scenario.start(
                type, values, rules, seed: scenario.seed(ofReplicate: replicate))
            for step in sums.indices {
                model.step(into: &row)
                sums[step] += Int128(row[target.metric])
            }
        }
        let known = target.series.indices.filter { target.series[$0] != nil }
        let fitted = known.dropLast(target.heldOut)
        let unit = Model.metrics[target.metric].unit
        func error(_ steps: ArraySlice<Int>) -> Double {
            var squares = 0.0
            for step in steps {
                let mean = Double(sums[step]) / Double(scenario.replicates)
                let difference = mean - Double(target.series[step] ?? 0)
                squares += difference * difference
            }
            return unit.natural((squares / Double(steps.count)).squareRoot())
        }
        let rest = known[fitted.endIndex...]
        return CalibrationTrial(
            point: point, error: error(fitted), heldOut: rest.isEmpty ? nil : error(rest))
    }

    /// Where the search is.
    private struct Search {
        private let axes: [StudyAxis]
        private let starts: Int
        private(set) var trials: [CalibrationTrial] = []
        private var tried: Set<[Int64]> = []
        private var center = 0
        private var steps: [Int64] = []

        init(_ scenario: StudyScenario, _ target: CalibrationTarget) {
            axes = scenario.study.axes
            starts = max(1, min(scenario.study.samples / 4, 16 * axes.count))
        }

        var best: CalibrationTrial { trials[center] }

        /// The points to be tried together; none at the end.
        mutating func next() -> [[Int64]] {
            if trials.isEmpty {
                var sequence = SobolSequence(dimensions: axes.count)
                steps = axes.map { max(1, ($0.high - $0.low) / 8) }
                return (0..<starts).map { _ in
                    zip(axes, sequence.next()).map { $0.value(at: $1) }
                }
            }
            while true {
                let around = neighbours().filter { !tried.contains($0) }
                if !around.isEmpty { return around }
                if steps.allSatisfy({ $0 == 1 }) { return [] }
                steps = steps.map { max(1, $0 / 2) }
            }
        }

        mutating func take(_ found: [CalibrationTrial]) {
            trials += found
            for trial in found { tried.insert(trial.point) }
            for place in trials.indices where trials[place].error < best.error { center = place }
        }

        /// One step along each axis, both ways, within the box.
        private func neighbours() -> [[Int64]] {
            var around: [[Int64]] = []
            for (place, axis) in axes.enumerated() {
                for step in [-steps[place], steps[place]] {
                    var point = best.point
                    point[place] = min(axis.high, max(axis.low, point[place] + step))
                    if point != best.point { around.append(point) }
                }
            }
            return around
        }
    }
}
