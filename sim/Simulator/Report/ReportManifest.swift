import Foundation

/// What a page says of a study's `manifest.json` (docs/reference/simulation-files.md).
struct ReportManifest: Decodable, Sendable {
    struct Axis: Decodable, Sendable {
        let name: String
        var values: [String]?
        var low: String?
        var high: String?
    }

    struct Plan: Decodable, Sendable {
        var kind = "single"
        var axes: [Axis]?
    }

    struct Threshold: Decodable, Sendable {
        let metric: String
        var atLeast: String?
        var atMost: String?
        var says: String?

        enum CodingKeys: String, CodingKey {
            case metric, says
            case atLeast = "at_least"
            case atMost = "at_most"
        }
    }

    /// A number, a word or a group of them.
    enum Value: Decodable, Sendable {
        case text(String)
        case group([String: Value])

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                self = .text(text)
            } else if let number = try? value.decode(Int64.self) {
                self = .text("\(number)")
            } else if let number = try? value.decode(Double.self) {
                self = .text("\(number)")
            } else {
                self = .group(try value.decode([String: Value].self))
            }
        }

        /// In words, groups in the order of their names.
        var words: String {
            switch self {
            case .text(let text): text
            case .group(let group):
                group.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.words)" }
                    .joined(separator: ", ")
            }
        }
    }

    var version: String?
    var commit: String?
    var model: String
    var title: String?
    var question: String?
    var expect: String?
    var metric: String?
    var steps: Int
    var seed: UInt64
    var replicates: Int?
    var study: Plan
    var parameters: [String: Value]?
    var rules: [String: Value]?
    var thresholds: [Threshold]?
    var scenarioHash: String?

    enum CodingKeys: String, CodingKey {
        case version, commit, model, title, question, expect, metric, steps, seed, replicates
        case study, parameters, rules, thresholds
        case scenarioHash = "scenario_hash"
    }
}

/// The files of a study's folder that a report is made of, as text.
public struct ReportFiles: Sendable {
    /// `manifest.json`.
    public var manifest: String
    /// `final.csv`.
    public var final: String
    /// `dictionary.csv`.
    public var dictionary: String
    /// `results.csv`, if steps are to be drawn.
    public var results: String?
    /// `bands.csv`, if there are replicates.
    public var bands: String?
    /// `indices.csv`, of Morris and Sobol.
    public var indices: String?
    /// A line over a heat map: two columns named as its axes. Where theory has a boundary.
    public var line: String?
    /// Values to draw Lorenz curves of: `group,value`.
    public var distribution: String?

    /// The files that every study has.
    public init(manifest: String, final: String, dictionary: String) {
        (self.manifest, self.final, self.dictionary) = (manifest, final, dictionary)
    }
}
