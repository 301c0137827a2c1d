public import Economics
public import Primitives

/// What can be simulated: named integers and a seed go in, a row of named integers comes out of
/// every step. Studies, files and reports know models by this alone.
///
/// A model is a value without a clock, floating point or a random state: the same parameters, rules
/// and seed give the same bits on any machine, and a copy of it is a branch.
public protocol SimulationModel: Sendable {
    /// The name in scenario files, in lower case.
    static var name: String { get }
    /// What it is, in one sentence.
    static var summary: String { get }
    /// What a scenario can set, in the order of `init`'s values.
    static var parameters: [ParameterSpec] { get }
    /// What every step tells, in the order of its row.
    static var metrics: [MetricSpec] { get }

    /// A model before its first step. There is a value for each parameter, within its range; throws
    /// where values or rules do not fit each other.
    init(_ values: [Int64], rules: Parameters, seed: UInt64) throws(ScenarioError)
    /// The same with a trace's demand. Models that know of none refuse it.
    init(
        _ values: [Int64], rules: Parameters, demand: TraceDemand, seed: UInt64
    ) throws(ScenarioError)
    /// Parameters whose place a trace's demand takes; none where there is no such demand.
    static var sizedByDemand: [String] { get }
    /// One step. `row` has a place for each metric and is written whole.
    mutating func step(into row: inout [Int64])
    /// Steps done.
    var steps: Int { get }
    /// A digest of the whole state: two runs with the same digest go on alike.
    var digest: UInt64 { get }

    /// Writes the state after the last step: the body of a checkpoint.
    func encode(into writer: inout ByteWriter)
    /// The state that `encode` wrote, to be gone on with under these values and rules, which may be
    /// others than before: that is what branching is.
    init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, seed: UInt64
    ) throws(ScenarioError)
    /// The same with a trace's demand.
    init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, demand: TraceDemand,
        seed: UInt64
    ) throws(ScenarioError)
}

extension SimulationModel {
    /// None.
    public static var sizedByDemand: [String] { [] }

    /// Refuses it.
    public init(
        _ values: [Int64], rules: Parameters, demand: TraceDemand, seed: UInt64
    ) throws(ScenarioError) {
        throw ScenarioError("the model \(Self.name) takes no `demand`")
    }

    /// Refuses it.
    public init(
        from reader: inout ByteReader, values: [Int64], rules: Parameters, demand: TraceDemand,
        seed: UInt64
    ) throws(ScenarioError) {
        throw ScenarioError("the model \(Self.name) takes no `demand`")
    }
}

/// One number that a scenario can set.
public struct ParameterSpec: Hashable, Sendable {
    /// The name in files, in lower case with underscores.
    public let name: String
    /// How files write it.
    public let unit: Quantity
    /// What is possible, in units of the last place.
    public let range: ClosedRange<Int64>
    /// The value where a scenario says nothing.
    public let standard: Int64
    /// What it is, in one sentence.
    public let about: String

    /// A parameter with all its fields.
    public init(
        _ name: String, _ unit: Quantity, _ range: ClosedRange<Int64>, standard: Int64,
        about: String
    ) {
        self.name = name
        self.unit = unit
        self.range = range
        self.standard = standard
        self.about = about
    }
}

/// One number that a model tells at each step.
public struct MetricSpec: Hashable, Sendable {
    /// The column's name, in lower case with underscores.
    public let name: String
    /// How files write it.
    public let unit: Quantity
    /// What it is, in one sentence.
    public let about: String

    /// A metric with all its fields.
    public init(_ name: String, _ unit: Quantity, about: String) {
        self.name = name
        self.unit = unit
        self.about = about
    }
}

/// How a number is written where people read it: in the model all are integers.
public enum Quantity: Hashable, Sendable {
    /// A whole number of something: `providers`, `days`.
    case count(of: String)
    /// A decimal number with so many places of something: `0.025` of 6 places is 25,000.
    case decimal(places: Int, of: String)
    /// One of these words, by its place.
    case choice([String])
}

/// Why a scenario cannot be run.
public struct ScenarioError: Error, Hashable, Sendable {
    /// What is wrong and what would be right, in a sentence.
    public let reason: String

    /// An error for this reason.
    public init(_ reason: String) { self.reason = reason }
}
