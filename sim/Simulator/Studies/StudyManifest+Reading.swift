// Reading is milder than writing, so that a table from elsewhere can be shown with a manifest of a
// few lines: what is needed is the model, the steps, the seed and the kind of study.

extension StudyManifest {
    /// Reads a manifest; what is left out is empty.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func text(_ key: CodingKeys) throws -> String {
            try fields.decodeIfPresent(String.self, forKey: key) ?? ""
        }
        self.init(
            version: try text(.version), commit: try text(.commit),
            model: try fields.decode(String.self, forKey: .model), title: try text(.title),
            question: try text(.question), expect: try text(.expect), metric: try text(.metric),
            steps: try fields.decode(Int.self, forKey: .steps),
            seed: try fields.decode(UInt64.self, forKey: .seed),
            replicates: try fields.decodeIfPresent(Int.self, forKey: .replicates) ?? 1,
            record: try fields.decodeIfPresent(StudyScenario.Record.self, forKey: .record)
                ?? .final,
            runs: try fields.decodeIfPresent(Int.self, forKey: .runs) ?? 0,
            study: try fields.decode(Plan.self, forKey: .study),
            parameters: try fields.decodeIfPresent([String: Value].self, forKey: .parameters)?
                .mapValues(\.words) ?? [:],
            rules: try fields.decodeIfPresent([String: Value].self, forKey: .rules) ?? [:],
            demand: try fields.decodeIfPresent(Demand.self, forKey: .demand),
            thresholds: try fields.decodeIfPresent(
                [StudyScenario.Threshold].self, forKey: .thresholds) ?? [],
            from: try fields.decodeIfPresent(Origin.self, forKey: .from),
            scenarioHash: try text(.scenarioHash))
    }

    /// Whether it is whole: a study's own, which results can be added to.
    var isWhole: Bool { runs > 0 && !scenarioHash.isEmpty }
}

extension StudyManifest.Plan {
    /// Reads a plan; the axes may be left out.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            kind: try fields.decode(Study.Kind.self, forKey: .kind),
            axes: try fields.decodeIfPresent([StudyManifest.Axis].self, forKey: .axes) ?? [],
            samples: try fields.decodeIfPresent(Int.self, forKey: .samples),
            levels: try fields.decodeIfPresent(Int.self, forKey: .levels),
            secondOrder: try fields.decodeIfPresent(Bool.self, forKey: .secondOrder),
            resamples: try fields.decodeIfPresent(Int.self, forKey: .resamples),
            samplingSeed: try fields.decodeIfPresent(UInt64.self, forKey: .samplingSeed),
            design: try fields.decodeIfPresent(Study.Kind.self, forKey: .design),
            data: try fields.decodeIfPresent(String.self, forKey: .data))
    }
}

extension StudyManifest.Axis {
    /// Reads an axis; the unit may be left out.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try fields.decode(String.self, forKey: .name),
            unit: try fields.decodeIfPresent(String.self, forKey: .unit) ?? "",
            values: try fields.decodeIfPresent([String].self, forKey: .values),
            low: try fields.decodeIfPresent(String.self, forKey: .low),
            high: try fields.decodeIfPresent(String.self, forKey: .high))
    }
}

extension StudyManifest.Value {
    /// In words, groups in the order of their names.
    var words: String {
        switch self {
        case .number(let number): "\(number)"
        case .text(let text): text
        case .group(let group):
            group.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.words)" }
                .joined(separator: ", ")
        }
    }
}
