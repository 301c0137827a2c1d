public import Economics

/// A scenario file, read: a model with its numbers, the rules of a house, and what is asked of
/// them.
public struct StudyScenario: Sendable {
    /// What is written of each run.
    public enum Record: String, Codable, CaseIterable, Sendable {
        /// Every step.
        case steps
        /// The last step.
        case final
    }

    /// What a report holds a metric against.
    public struct Threshold: Codable, Hashable, Sendable {
        /// The metric.
        public var metric: String
        /// It must not be lower, as decimal text.
        public var atLeast: String?
        /// It must not be higher, as decimal text.
        public var atMost: String?
        /// What that means, in a sentence.
        public var says: String?

        enum CodingKeys: String, CodingKey {
            case metric
            case atLeast = "at_least"
            case atMost = "at_most"
            case says
        }
    }

    /// A few words.
    public var title = ""
    /// What is asked.
    public var question = ""
    /// The shape that the answer should have.
    public var expect = ""
    /// The metric that answers the question.
    public var metric: String
    /// What is simulated.
    public let model: any SimulationModel.Type
    /// How long.
    public var steps: Int
    /// Every random choice in a run follows from it.
    public var seed: UInt64 = 1
    /// Runs of each point, each with a seed of its own, which is the same for every point.
    public var replicates = 1
    /// What is written of each run; by the size of the study if nothing is said.
    public var record: Record?
    /// A value for each of the model's parameters.
    public var values: [Int64]
    /// The rules of the house.
    public var rules = Parameters()
    /// A trace that buyers' demand follows, for a model that takes one.
    public var demand: TraceDemand?
    /// What is varied.
    public var study = Study()
    /// What the report says a verdict on.
    public var thresholds: [Threshold] = []

    /// The most runs of one study.
    public static let mostRuns = 5_000_000
    /// The most steps of a run.
    public static let mostSteps = 10_000_000
    /// Up to so many rows, every step is recorded unless something else is said.
    static let rowsByDefault = 200_000

    /// A scenario of this model with its standard values.
    public init(model: any SimulationModel.Type, steps: Int) {
        self.model = model
        self.steps = steps
        values = model.parameters.map(\.standard)
        metric = model.metrics.first?.name ?? ""
    }

    /// Runs in all.
    public var runCount: Int {
        let (runs, overflow) = study.pointCount.multipliedReportingOverflow(by: replicates)
        return overflow ? .max : runs
    }

    /// What is recorded.
    public var recorded: Record {
        if let record { return record }
        let (rows, overflow) = runCount.multipliedReportingOverflow(by: steps)
        return overflow || rows > Self.rowsByDefault ? .final : .steps
    }

    /// The seed of a replicate: the scenario's for the first, so that one run can be done by hand.
    public func seed(ofReplicate replicate: Int) -> UInt64 {
        if replicate == 0 { return seed }
        return Draws(seed: seed).stream(.replicate, step: replicate)[0]
    }

    /// The model's values and the rules at a point.
    public func setting(
        _ point: ArraySlice<Int64>
    ) throws(ScenarioError) -> (values: [Int64], rules: Parameters) {
        var (values, rules) = (values, rules)
        for (axis, value) in zip(study.axes, point) {
            try axis.set(value, values: &values, rules: &rules)
        }
        if let problem = rules.problem { throw ScenarioError(problem) }
        return (values, rules)
    }

    /// Sets one parameter or rule (`rules.`) from text, as a file would say it.
    public mutating func set(_ name: String, to text: String) throws(ScenarioError) {
        guard let axis = StudyAxis(name, model: model, rules: rules) else {
            let names = StudyAxis.names(model: model, rules: rules)
            throw ScenarioError("`\(name)` cannot be set\(Nearest.hint(name, in: names))")
        }
        if study.axes.contains(where: { $0.name == name }) {
            throw ScenarioError("`\(name)` is varied by the study")
        }
        try checkSize(name)
        let value = try axis.spec.read(text)
        try axis.set(value, values: &values, rules: &rules)
    }

    /// A model before its first step, under this scenario's demand.
    func start<Model: SimulationModel>(
        _ type: Model.Type, _ values: [Int64], _ rules: Parameters, seed: UInt64
    ) throws(ScenarioError) -> Model {
        guard let demand else { return try Model(values, rules: rules, seed: seed) }
        return try Model(values, rules: rules, demand: demand, seed: seed)
    }

    private func start(_ values: [Int64], _ rules: Parameters) throws(ScenarioError) {
        func check<Model: SimulationModel>(_ type: Model.Type) throws(ScenarioError) {
            _ = try start(type, values, rules, seed: seed)
        }
        try check(model)
    }

    /// Refuses a parameter whose place the trace's demand takes.
    func checkSize(_ name: String) throws(ScenarioError) {
        if demand != nil, model.sizedByDemand.contains(name) {
            throw ScenarioError("`\(name)` is what `demand` says; leave one of them out")
        }
    }

    /// Whether all can be run, as far as that can be told before: sizes, the rules at every point,
    /// and the model at the first ones.
    public func check() throws(ScenarioError) {
        if runCount > Self.mostRuns {
            throw ScenarioError("the study has over \(Self.mostRuns) runs")
        }
        for axis in study.axes { try checkSize(axis.name) }
        if study.kind == .calibration { return try start(values, rules) }
        let points = study.points()
        for point in 0..<points.count {
            do throws(ScenarioError) {
                let (values, rules) = try setting(points[point])
                if point < 16 { try start(values, rules) }
            } catch {
                let at = zip(study.axes, points[point]).map { axis, value in
                    "\(axis.name) \(axis.spec.unit.text(value))"
                }
                if at.isEmpty { throw error }
                throw ScenarioError("at \(at.joined(separator: ", ")): \(error.reason)")
            }
        }
    }
}

extension ParameterSpec {
    /// Reads a value and checks its range.
    public func read(_ text: String) throws(ScenarioError) -> Int64 {
        try checked(try unit.read(text), text)
    }

    /// The value, if it is possible; `text` is what was written.
    func checked(_ value: Int64, _ text: String) throws(ScenarioError) -> Int64 {
        if !range.contains(value) {
            throw ScenarioError(
                "`\(text)` is out of range: `\(name)` goes from \(unit.text(range.lowerBound)) to "
                    + "\(unit.text(range.upperBound)) \(unit.counted)")
        }
        return value
    }
}
