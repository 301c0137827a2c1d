import Economics
import Foundation

/// The JSON schema of scenario files (draft 2020-12), made from the models' own tables: what an
/// editor completes is what the reader takes. `sim/schema/scenario.schema.json` is this text.
public enum ScenarioSchema {
    /// The schema, with sorted keys and a line end.
    public static var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        // Only numbers that are not finite cannot be encoded, and there are none.
        let data = (try? encoder.encode(root)) ?? Data()
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// JSON to be written.
    private enum JSON: Encodable {
        case text(String)
        case whole(Int)
        case flag(Bool)
        case list([JSON])
        case object([String: JSON])

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .whole(let number): try container.encode(number)
            case .flag(let flag): try container.encode(flag)
            case .list(let list): try container.encode(list)
            case .object(let object): try container.encode(object)
            }
        }
    }

    private static var root: JSON {
        var definitions: [String: JSON] = [
            "rules": rules, "report": report, "integer": integer, "seed": seed,
        ]
        var branches: [JSON] = []
        for model in Models.all {
            definitions["parameters_\(model.name)"] = parameters(model)
            definitions["study_\(model.name)"] = study(model)
            branches.append(branch(model))
        }
        return .object([
            "$schema": .text("https://json-schema.org/draft/2020-12/schema"),
            "title": .text("Exchequer scenario"), "type": .text("object"),
            "required": .list([.text("model"), .text("steps")]),
            "additionalProperties": .flag(false), "properties": .object(properties),
            "allOf": .list(branches), "$defs": .object(definitions),
        ])
    }

    private static var properties: [String: JSON] {
        [
            "title": text("A few words."), "question": text("What is asked."),
            "expect": text("The shape that the answer should have."),
            "metric": text("The metric that answers the question."),
            "model": described(words(Models.all.map { $0.name }), "What is simulated."),
            "steps": described(reference("integer"), "Steps of a run."),
            "seed": described(reference("seed"), "What every random choice follows from."),
            "replicates": described(reference("integer"), "Runs of each point."),
            "record": described(
                words(StudyScenario.Record.allCases.map(\.rawValue)),
                "What is written of each run; by the size of the study if nothing is said."),
            "parameters": .object([:]), "study": .object([:]), "demand": .object([:]),
            "rules": reference("rules"), "report": reference("report"),
        ]
    }

    private static func branch(_ model: any SimulationModel.Type) -> JSON {
        .object([
            "if": .object(["properties": .object(["model": constant(model.name)])]),
            "then": .object([
                "properties": .object([
                    "parameters": reference("parameters_\(model.name)"),
                    "study": reference("study_\(model.name)"),
                    "metric": words(model.metrics.map(\.name)),
                    "demand": model.sizedByDemand.isEmpty ? .flag(false) : demand,
                ])
            ]),
        ])
    }

    private static func parameters(_ model: any SimulationModel.Type) -> JSON {
        var fields: [String: JSON] = [:]
        for spec in model.parameters {
            let unit = spec.unit
            let range = unit.text(spec.range.lowerBound) + " to " + unit.text(spec.range.upperBound)
            fields[spec.name] = described(
                value(unit), "\(spec.about) \(range) \(unit.counted); \(unit.text(spec.standard)).")
        }
        return closed(fields)
    }

    private static func study(_ model: any SimulationModel.Type) -> JSON {
        var axes: [String: JSON] = [:]
        for spec in model.parameters { axes[spec.name] = axis(spec.unit, spec.about) }
        for key in ParameterKey.all {
            let spec = ParameterSpec(key, standard: 0)
            axes[spec.name] = axis(spec.unit, spec.about)
        }
        let emission = "^rules\\.emission\\.[a-z0-9_]+$"
        let fields: [String: JSON] = [
            "kind": words(Study.Kind.allCases.map(\.rawValue)),
            "axes": .object([
                "type": .text("object"), "properties": .object(axes),
                "patternProperties": .object([emission: axis(.count(of: ""), "")]),
                "additionalProperties": .flag(false),
            ]),
            "samples": reference("integer"), "trajectories": reference("integer"),
            "levels": reference("integer"), "evaluations": reference("integer"),
            "resamples": reference("integer"), "hold_out": reference("integer"),
            "sampling_seed": reference("seed"), "second_order": .object(["type": .text("boolean")]),
            "file": text("A CSV file of points."), "series": text("A CSV file of a series."),
            "design": words(["morris", "sobol"]),
        ]
        return closed(fields, required: ["kind"])
    }

    private static var demand: JSON {
        let sources = TraceDemand.Kind.allCases.map { kind in
            JSON.object(["required": .list([.text(kind.rawValue)])])
        }
        let fields = closed([
            "generator": described(words(DemandGenerator.names), "A generator that is built in."),
            "trace": text("A trace, step by step: CSV as of Azure's traces of LLM inference."),
            "fitted": text("A trace to fit a generator to."),
            "requests": described(reference("integer"), "Requests that a job bundles."),
            "step": described(reference("integer"), "Seconds of the trace that a step takes."),
        ])
        guard case .object(var schema) = fields else { return fields }
        schema["oneOf"] = .list(sources)
        return described(.object(schema), "A trace that buyers' demand follows.")
    }

    private static func axis(_ unit: Quantity, _ about: String) -> JSON {
        let range: JSON = closed(
            ["low": value(unit), "high": value(unit), "points": reference("integer")],
            required: ["low", "high"])
        let list: JSON = .object([
            "type": .text("array"), "items": value(unit), "minItems": .whole(1),
        ])
        return described(.object(["oneOf": .list([list, range])]), about)
    }

    private static var rules: JSON {
        var fields: [String: JSON] = [:]
        for key in ParameterKey.all {
            let unit = ParameterSpec(key, standard: 0).unit
            fields[key.name] = described(value(unit), "In \(unit.counted).")
        }
        let policies = EmissionPolicy.catalogue.map { name, keys in
            var fields = ["policy": constant(name)]
            for key in keys { fields[key.name] = number }
            return closed(fields, required: fields.keys.sorted())
        }
        fields[ParameterKey.emission] = .object(["oneOf": .list(policies)])
        return closed(fields)
    }

    private static var report: JSON {
        let threshold = closed(
            [
                "metric": text("A metric."), "at_least": number, "at_most": number,
                "says": text("What that means."),
            ], required: ["metric"])
        return closed([
            "thresholds": .object(["type": .text("array"), "items": threshold])
        ])
    }

    private static func value(_ unit: Quantity) -> JSON {
        if case .choice(let words) = unit { return self.words(words) }
        return number
    }

    private static var number: JSON {
        .object([
            "type": .list([.text("number"), .text("string")]),
            "pattern": .text("^[+-]?[0-9_]*\\.?[0-9_]+ ?[^0-9]*$"),
        ])
    }

    private static var integer: JSON {
        .object([
            "type": .list([.text("integer"), .text("string")]), "minimum": .whole(0),
            "pattern": .text("^[0-9_]+( [a-z_ ]+)?$"),
        ])
    }

    private static var seed: JSON { integer }

    private static func words(_ words: [String]) -> JSON {
        .object(["enum": .list(words.map(JSON.text))])
    }

    private static func constant(_ word: String) -> JSON { .object(["const": .text(word)]) }

    private static func text(_ about: String) -> JSON {
        .object(["type": .text("string"), "description": .text(about)])
    }

    private static func reference(_ name: String) -> JSON {
        .object(["$ref": .text("#/$defs/\(name)")])
    }

    private static func closed(_ fields: [String: JSON], required: [String] = []) -> JSON {
        .object([
            "type": .text("object"), "properties": .object(fields),
            "required": .list(required.map(JSON.text)), "additionalProperties": .flag(false),
        ])
    }

    private static func described(_ schema: JSON, _ about: String) -> JSON {
        guard case .object(var fields) = schema, !about.isEmpty else { return schema }
        fields["description"] = .text(about)
        return .object(fields)
    }
}
