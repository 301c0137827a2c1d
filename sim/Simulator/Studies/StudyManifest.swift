import Cryptography
import Economics
import Foundation
import Primitives

/// `manifest.json`: everything that the results follow from, and who made them.
public struct StudyManifest: Codable, Hashable, Sendable {
    /// The version of the program.
    public var version: String
    /// The commit it was built from, or `unknown`.
    public var commit: String
    /// The model's name.
    public var model: String
    /// A few words.
    public var title: String
    /// What is asked.
    public var question: String
    /// The shape that the answer should have.
    public var expect: String
    /// The metric that answers it.
    public var metric: String
    /// Steps of a run.
    public var steps: Int
    /// What every random choice follows from.
    public var seed: UInt64
    /// Runs of each point.
    public var replicates: Int
    /// `steps` or `final`.
    public var record: StudyScenario.Record
    /// Runs in all.
    public var runs: Int
    /// How the points are chosen.
    public var study: Plan
    /// Every parameter of the model, as decimal text.
    public var parameters: [String: String]
    /// Every rule of the house: a file for `serve --parameters`.
    public var rules: [String: Value]
    /// The trace that demand follows, if there is one.
    public var demand: Demand?
    /// What a report holds metrics against.
    public var thresholds: [StudyScenario.Threshold]
    /// The checkpoint that runs begin at, if not at the start.
    public var from: Origin?
    /// SHA-256 of all that decides about results.
    public var scenarioHash = ""

    enum CodingKeys: String, CodingKey {
        case version, commit, model, title, question, expect, metric, steps, seed, replicates
        case record, runs, study, parameters, rules, demand, thresholds, from
        case scenarioHash = "scenario_hash"
    }

    /// How the points are chosen.
    public struct Plan: Codable, Hashable, Sendable {
        /// The kind of study.
        public var kind: Study.Kind
        /// What is varied.
        public var axes: [Axis]
        /// See `Study`.
        public var samples: Int?
        /// See `Study`.
        public var levels: Int?
        /// See `Study`.
        public var secondOrder: Bool?
        /// See `Study`.
        public var resamples: Int?
        /// See `Study`.
        public var samplingSeed: UInt64?
        /// See `Study`.
        public var design: Study.Kind?
        /// SHA-256 of the rows of a matrix, or of the series of a calibration.
        public var data: String?

        enum CodingKeys: String, CodingKey {
            case kind, axes, samples, levels, resamples, design, data
            case secondOrder = "second_order"
            case samplingSeed = "sampling_seed"
        }
    }

    /// An axis; numbers are decimal text.
    public struct Axis: Codable, Hashable, Sendable {
        /// The parameter, or `rules.` and the rule.
        public var name: String
        /// What it counts.
        public var unit: String
        /// The values of a grid.
        public var values: [String]?
        /// The least value where it is sampled.
        public var low: String?
        /// The greatest value where it is sampled.
        public var high: String?

        enum CodingKeys: String, CodingKey { case name, unit, values, low, high }
    }

    /// A trace that demand follows.
    public struct Demand: Codable, Hashable, Sendable {
        /// Where it is from.
        public var kind: TraceDemand.Kind
        /// The generator's name, or the file's.
        public var name: String
        /// Requests that a job bundles.
        public var requests: Int
        /// Seconds of the trace that a step takes.
        public var stepSeconds: Int
        /// SHA-256 of what decides of it.
        public var data: String

        enum CodingKeys: String, CodingKey {
            case kind, name, requests, data
            case stepSeconds = "step_seconds"
        }
    }

    /// A checkpoint that runs begin at.
    public struct Origin: Codable, Hashable, Sendable {
        /// Steps done there.
        public var step: Int
        /// SHA-256 of the file.
        public var digest: String
    }

    /// A number, text or object of JSON.
    public enum Value: Codable, Hashable, Sendable {
        /// A whole number.
        case number(UInt64)
        /// Text.
        case text(String)
        /// An object.
        case group([String: Value])

        public init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let number = try? value.decode(UInt64.self) {
                self = .number(number)
            } else if let text = try? value.decode(String.self) {
                self = .text(text)
            } else if let number = try? value.decode(Double.self) {
                self = .text("\(number)")
            } else {
                self = .group(try value.decode([String: Value].self))
            }
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .number(let number): try container.encode(number)
            case .text(let text): try container.encode(text)
            case .group(let group): try container.encode(group)
            }
        }
    }
}

extension StudyManifest {
    /// The manifest of a scenario.
    public init(
        _ scenario: StudyScenario, version: String, commit: String, from: Checkpoint? = nil
    ) {
        self.init(
            version: version, commit: commit, model: scenario.model.name, title: scenario.title,
            question: scenario.question, expect: scenario.expect, metric: scenario.metric,
            steps: scenario.steps, seed: scenario.seed, replicates: scenario.replicates,
            record: scenario.recorded, runs: scenario.runCount, study: Plan(scenario.study),
            parameters: [:], rules: scenario.rules.fileValues,
            demand: scenario.demand.map(Demand.init), thresholds: scenario.thresholds,
            from: from.map { Origin(step: $0.step, digest: Hex.encode($0.fileDigest.bytes)) })
        for (spec, value) in zip(scenario.model.parameters, scenario.values) {
            parameters[spec.name] = spec.unit.text(value)
        }
        var deciding = self
        (deciding.version, deciding.commit, deciding.thresholds) = ("", "", [])
        (deciding.title, deciding.question, deciding.expect) = ("", "", "")
        deciding.demand?.name = ""
        deciding.metric = scenario.study.kind == .calibration ? metric : ""
        scenarioHash = Hex.encode(SHA256.hash(Array(deciding.json)).bytes)
    }

    /// The file's bytes: sorted keys, so that equal manifests are equal files.
    var json: Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        // Only numbers that are not finite cannot be encoded, and there are none.
        return (try? encoder.encode(self)) ?? Data()
    }

    /// Whether results of the other can stand beside this one's.
    func problem(with other: StudyManifest) -> String? {
        if scenarioHash != other.scenarioHash { return "another scenario" }
        if version != other.version || commit != other.commit {
            return "another build (\(other.version), \(other.commit))"
        }
        return nil
    }
}

extension StudyManifest.Demand {
    init(_ demand: TraceDemand) {
        self.init(
            kind: demand.kind, name: demand.name, requests: demand.requests,
            stepSeconds: demand.stepSeconds, data: demand.digest)
    }
}

extension StudyManifest.Plan {
    init(_ study: Study) {
        kind = study.kind
        axes = study.axes.map { axis in
            let unit = axis.spec.unit
            var entry = StudyManifest.Axis(name: axis.name, unit: unit.counted)
            if study.kind == .grid {
                entry.values = axis.values.map { unit.text($0) }
            } else {
                entry.low = unit.text(axis.low)
                entry.high = unit.text(axis.high)
            }
            return entry
        }
        switch study.kind {
        case .single, .grid: break
        default:
            samples = study.samples
            samplingSeed = study.samplingSeed
        }
        design = study.design
        if let analysis = study.analysis {
            resamples = study.resamples
            if analysis == .morris {
                levels = study.levels
            } else {
                secondOrder = study.secondOrder
            }
        }
        var writer = ByteWriter()
        for row in study.rows { writer.write(UInt64(bitPattern: row)) }
        if let target = study.target {
            for value in target.series {
                writer.write(value == nil)
                writer.write(UInt64(bitPattern: value ?? 0))
            }
            writer.write(UInt64(target.heldOut))
        }
        if !writer.bytes.isEmpty { data = Hex.encode(SHA256.hash(writer.bytes).bytes) }
    }
}

extension Parameters {
    /// All rules as a file has them.
    var fileValues: [String: StudyManifest.Value] {
        var values: [String: StudyManifest.Value] = [:]
        for key in ParameterKey.all {
            let value = key.value(in: self)
            switch key.unit {
            case .whole: values[key.name] = .number(UInt64(clamping: value))
            case .money(let asset): values[key.name] = .text(asset.format(Amount(value)))
            }
        }
        if let policy = otherEmission {
            var fields: [String: StudyManifest.Value] = ["policy": .text(policy.name)]
            for field in policy.fields {
                let isTokens = field.key.unit == .tokens
                let text = isTokens ? Asset.tly.format(Amount(field.value)) : "\(field.value)"
                fields[field.key.name] = .text(text)
            }
            values[ParameterKey.emission] = .group(fields)
        }
        return values
    }
}
