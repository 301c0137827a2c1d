public import Economics
import Primitives

/// One thing that a study varies: a parameter of the model, or a rule of the house.
public struct StudyAxis: Hashable, Sendable {
    /// What it sets.
    enum Target: Hashable, Sendable {
        case parameter(Int)
        case rule(ParameterKey)
        case emission(String)
    }

    /// The name in files: a parameter's, or `rules.` and a rule's.
    public let name: String
    /// How its values are written and what is possible.
    public let spec: ParameterSpec
    let target: Target
    /// The values of a grid, in their order.
    public var values: [Int64] = []
    /// The least value where it is sampled.
    public var low: Int64
    /// The greatest value where it is sampled.
    public var high: Int64

    static let prefix = "rules."

    /// The axis of this name, over the whole range; `nil` if there is no such thing.
    public init?(
        _ name: String, model: any SimulationModel.Type, rules: Parameters = Parameters()
    ) {
        self.name = name
        if let place = model.parameters.firstIndex(where: { $0.name == name }) {
            spec = model.parameters[place]
            target = .parameter(place)
        } else if name.hasPrefix(Self.prefix),
            let found = Self.rule(String(name.dropFirst(Self.prefix.count)), rules)
        {
            (spec, target) = found
        } else {
            return nil
        }
        low = spec.range.lowerBound
        high = spec.range.upperBound
    }

    /// All names there are.
    static func names(model: any SimulationModel.Type, rules: Parameters) -> [String] {
        let emission = (rules.otherEmission?.fields ?? []).map { "emission.\($0.key.name)" }
        return model.parameters.map(\.name)
            + (ParameterKey.all.map(\.name) + emission).map { prefix + $0 }
    }

    /// Sets the value.
    func set(
        _ value: Int64, values: inout [Int64], rules: inout Parameters
    ) throws(ScenarioError) {
        do throws(ParameterFault) {
            switch target {
            case .parameter(let place): values[place] = value
            case .rule(let key): try key.set(UInt128(value.magnitude), in: &rules)
            case .emission(let field): try rules.setEmission(field, to: UInt128(value.magnitude))
            }
        } catch {
            throw ScenarioError("\(name): \(error.reason)")
        }
    }

    private static func rule(
        _ name: String, _ rules: Parameters
    ) -> (spec: ParameterSpec, target: Target)? {
        if let key = ParameterKey.named(name) {
            let standard = Int64(clamping: key.value(in: rules))
            return (ParameterSpec(key, standard: standard), .rule(key))
        }
        for field in rules.otherEmission?.fields ?? [] where "emission.\(field.key.name)" == name {
            let isTokens = field.key.unit == .tokens
            let spec = ParameterSpec(
                prefix + name, isTokens ? .decimal(places: 12, of: "tly") : .count(of: ""),
                0...Int64.max, standard: Int64(clamping: field.value),
                about: "`\(field.key.name)` of the emission policy.")
            return (spec, .emission(field.key.name))
        }
        return nil
    }
}

extension ParameterSpec {
    /// A rule of the house as something to vary.
    init(_ key: ParameterKey, standard: Int64) {
        let about = "The rule `\(key.name)` (docs/reference/parameters.md)."
        switch key.unit {
        case .whole(let counted):
            self.init(
                StudyAxis.prefix + key.name, .count(of: counted), 0...Int64(UInt32.max),
                standard: standard, about: about)
        case .money(let asset):
            self.init(
                StudyAxis.prefix + key.name,
                .decimal(places: asset.ledgerDecimals, of: asset.code.lowercased()), 0...Int64.max,
                standard: standard, about: about)
        }
    }
}
