import Economics
import Foundation
import Primitives
import Synchronization

/// How far a study is.
public struct StudyProgress: Codable, Hashable, Sendable {
    /// Runs done, with those found done.
    public var done: Int
    /// Runs to be done by this process, with those found done.
    public var total: Int
    /// Runs a second in this process.
    public var rate: Double
    /// Seconds left at this rate.
    public var left: Double

    enum CodingKeys: String, CodingKey {
        case done, total
        case rate = "runs_per_second"
        case left = "seconds_left"
    }
}

/// Runs a study, or one shard of it, on the processors of this machine: one run a thread, results
/// to disk as they come. What is there from before is not run again.
public struct StudyRunner: Sendable {
    /// The study.
    public let scenario: StudyScenario
    /// Where its files are.
    public let folder: StudyFolder
    /// Threads.
    public var threads = max(1, ProcessInfo.processInfo.activeProcessorCount)
    /// Which runs.
    public var shard = StudyShard.whole
    /// A checkpoint of each run after every so many steps, if not 0.
    public var checkpointEvery = 0
    private let origin: Checkpoint?
    private let manifest: StudyManifest

    /// A runner; `version` and `commit` say who runs. With a checkpoint, every run begins there.
    public init(
        _ scenario: StudyScenario, folder: StudyFolder, version: String, commit: String,
        from origin: Checkpoint? = nil
    ) throws(StudyFault) {
        if let origin {
            if origin.model != scenario.model.name {
                throw StudyFault(
                    "the checkpoint is of the model \(origin.model), the scenario of "
                        + "\(scenario.model.name)")
            }
            if origin.step >= scenario.steps {
                throw StudyFault(
                    "the checkpoint is at step \(origin.step), the run ends at \(scenario.steps)")
            }
        }
        self.scenario = scenario
        self.folder = folder
        self.origin = origin
        manifest = StudyManifest(scenario, version: version, commit: commit, from: origin)
    }

    /// Runs what is not done yet, then, if this is the whole study, finishes its files. `progress`
    /// is called from any thread, some times a second.
    public func run(
        progress: @escaping @Sendable (StudyProgress) -> Void = { _ in }
    ) throws(StudyFault) -> StudyDigest? {
        try folder.prepare(scenario, manifest)
        let shape = ResultsShape(manifest, scenario.model)
        let url = folder.results(shard)
        try runMissing(ResultsWriter(url, shape), progress)
        return shard == .whole ? try StudyMerge(scenario.model, [folder]).finish() : nil
    }

    private func runMissing(
        _ writer: ResultsWriter, _ progress: @escaping @Sendable (StudyProgress) -> Void
    ) throws(StudyFault) {
        let mine = stride(from: shard.index, to: scenario.runCount, by: shard.count)
        let missing = mine.filter { writer.index.places[$0] == nil }
        let found = mine.underestimatedCount - missing.count
        let state = RunnerState(missing, found: found, progress: progress)
        let points = scenario.study.points()
        let group = DispatchGroup()
        for _ in 0..<max(1, min(threads, missing.count)) {
            group.enter()
            Thread.detachNewThread {
                var worker = StudyWorker(
                    scenario: scenario, points: points, manifest: manifest, origin: origin,
                    checkpointEvery: checkpointEvery, folder: folder)
                while let run = state.next() {
                    do throws(StudyFault) {
                        try writer.append(try worker.rows(of: run))
                        state.finished()
                    } catch {
                        state.fail(error)
                    }
                }
                group.leave()
            }
        }
        group.wait()
        if let fault = state.fault { throw fault }
    }
}

/// What the threads of a study share.
private final class RunnerState: Sendable {
    private struct Values {
        var next = 0
        var done = 0
        var fault: StudyFault?
        var told = 0.0
    }

    private let missing: [Int]
    private let found: Int
    private let values = Mutex(Values())
    private let started = ContinuousClock.now
    private let progress: @Sendable (StudyProgress) -> Void

    init(
        _ missing: [Int], found: Int, progress: @escaping @Sendable (StudyProgress) -> Void
    ) {
        self.missing = missing
        self.found = found
        self.progress = progress
    }

    var fault: StudyFault? { values.withLock { $0.fault } }

    /// The next run; runs are begun in their order.
    func next() -> Int? {
        values.withLock { values in
            guard values.fault == nil, values.next < missing.count else { return nil }
            defer { values.next += 1 }
            return missing[values.next]
        }
    }

    func fail(_ fault: StudyFault) {
        values.withLock { if $0.fault == nil { $0.fault = fault } }
    }

    func finished() {
        let spent = (ContinuousClock.now - started) / .seconds(1)
        let tell: StudyProgress? = values.withLock { values in
            values.done += 1
            let isLast = values.done == missing.count
            guard isLast || spent - values.told >= 0.2 else { return nil }
            values.told = spent
            let rate = Double(values.done) / max(spent, 1e-9)
            return StudyProgress(
                done: found + values.done, total: found + missing.count, rate: rate,
                left: Double(missing.count - values.done) / rate)
        }
        if let tell { progress(tell) }
    }
}

/// One thread's runs, in storage that it keeps.
private struct StudyWorker {
    let scenario: StudyScenario
    let points: StudyPoints
    let manifest: StudyManifest
    let origin: Checkpoint?
    let checkpointEvery: Int
    let folder: StudyFolder
    private var bytes: [UInt8] = []

    init(
        scenario: StudyScenario, points: StudyPoints, manifest: StudyManifest,
        origin: Checkpoint?, checkpointEvery: Int, folder: StudyFolder
    ) {
        self.scenario = scenario
        self.points = points
        self.manifest = manifest
        self.origin = origin
        self.checkpointEvery = checkpointEvery
        self.folder = folder
    }

    /// The rows of a run, as they are to be written.
    mutating func rows(of run: Int) throws(StudyFault) -> [UInt8] {
        bytes.removeAll(keepingCapacity: true)
        do throws(ScenarioError) {
            try simulate(scenario.model, run)
        } catch {
            throw StudyFault("run \(run): \(error.reason)")
        }
        return bytes
    }

    private mutating func simulate<Model: SimulationModel>(
        _ type: Model.Type, _ run: Int
    ) throws(ScenarioError) {
        let (values, rules) = try scenario.setting(points[run / scenario.replicates])
        let seed = scenario.seed(ofReplicate: run % scenario.replicates)
        var model: Model
        if let origin {
            model = try origin.resume(
                type, values: values, rules: rules, demand: scenario.demand, seed: seed)
        } else {
            model = try scenario.start(type, values, rules, seed: seed)
        }
        let units = Model.metrics.map(\.unit)
        var row = [Int64](repeating: 0, count: units.count)
        let isEveryStep = manifest.record == .steps
        while model.steps < scenario.steps {
            model.step(into: &row)
            if isEveryStep || model.steps == scenario.steps { write(run, model.steps, row, units) }
            if checkpointEvery > 0, model.steps.isMultiple(of: checkpointEvery) {
                let bytes = Checkpoint.bytes(model, values: values, rules: rules, seed: seed)
                do throws(StudyFault) {
                    try folder.write(Data(bytes), to: "checkpoint-\(run)-\(model.steps).bin")
                } catch {
                    throw ScenarioError("\(error)")
                }
            }
        }
    }

    private mutating func write(_ run: Int, _ step: Int, _ row: [Int64], _ units: [Quantity]) {
        DecimalText.write(Int64(run), places: 0, to: &bytes)
        bytes.append(UInt8(ascii: ","))
        DecimalText.write(Int64(step), places: 0, to: &bytes)
        for place in row.indices {
            bytes.append(UInt8(ascii: ","))
            units[place].write(row[place], to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }
}
