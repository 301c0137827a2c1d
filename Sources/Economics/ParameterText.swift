import Primitives

/// Why a value of a rules file cannot be used.
public struct ParameterFault: Error, Hashable, Sendable {
    /// The innermost key that it is about.
    public let key: String
    /// What is wrong with it.
    public let reason: String
    /// What could have stood there, if it was a name.
    public let known: [String]

    init(_ key: String, _ reason: String, known: [String] = []) {
        self.key = key
        self.reason = reason
        self.known = known
    }
}

/// What a file says of a rule, before it is known what the rule takes.
public indirect enum ParameterText: Hashable, Sendable {
    /// A number of a format that has numbers.
    case number(UInt64)
    /// Text in quotes.
    case text(String)
    /// A word of a format that leaves it open whether it is a number or text.
    case word(String)
    /// An object.
    case group([Entry])
    /// Anything else.
    case other

    /// A key of an object with its value.
    public struct Entry: Hashable, Sendable {
        /// The key.
        public let key: String
        /// What it says.
        public let value: ParameterText

        /// A key with its value.
        public init(_ key: String, _ value: ParameterText) {
            self.key = key
            self.value = value
        }
    }

    fileprivate var whole: UInt64? {
        switch self {
        case .number(let number): number
        case .word(let word): UInt64(word)
        default: nil
        }
    }

    fileprivate var string: String? {
        switch self {
        case .text(let text), .word(let text): text
        default: nil
        }
    }
}

extension Parameters {
    /// Sets what a file says of one rule. docs/reference/parameters.md has the names and units.
    public mutating func set(_ name: String, to value: ParameterText) throws(ParameterFault) {
        if name == ParameterKey.emission {
            otherEmission = try Parameters.policy(value)
            return
        }
        guard let key = ParameterKey.named(name) else {
            let known = ParameterKey.all.map(\.name) + [ParameterKey.emission]
            throw ParameterFault(name, "no such parameter", known: known)
        }
        switch key.unit {
        case .whole(let counted):
            guard let number = value.whole else {
                throw ParameterFault(name, "not a whole number (\(counted))")
            }
            try key.set(UInt128(number), in: &self)
        case .money(let asset):
            guard let text = value.string, let amount = asset.parse(text) else {
                throw ParameterFault(name, "not decimal text")
            }
            try key.set(amount.units, in: &self)
        }
    }

    /// Gives the emission policy, if there is one, another number.
    public mutating func setEmission(
        _ name: String, to value: UInt128
    ) throws(ParameterFault) {
        guard let policy = otherEmission else { return }
        let values = policy.fields.map { field in
            (name: field.key.name, value: field.key.name == name ? value : field.value)
        }
        do throws(EconomicsError) {
            otherEmission = try EmissionPolicy(name: policy.name, values: values)
        } catch {
            throw ParameterFault(name, "a number that is too large")
        }
    }

    /// `policy`, a name of `EmissionPolicy.catalogue`, and every parameter of that policy. Tokens
    /// are decimal text; whole numbers may be text too, since some are too long for programs.
    private static func policy(_ value: ParameterText) throws(ParameterFault) -> EmissionPolicy {
        guard case .group(let entries) = value else {
            throw ParameterFault(ParameterKey.emission, "not an object")
        }
        let catalogue = EmissionPolicy.catalogue
        guard let first = entries.first(where: { $0.key == "policy" }) else {
            throw ParameterFault("policy", "which one is not said")
        }
        guard let name = first.value.string else { throw ParameterFault("policy", "not a name") }
        guard let keys = catalogue.first(where: { $0.name == name })?.keys else {
            throw ParameterFault(
                "policy", "no such policy: \(name)", known: catalogue.map(\.name))
        }
        var numbers: [(name: String, value: UInt128)] = []
        for entry in entries where entry.key != "policy" {
            guard let known = keys.first(where: { $0.name == entry.key }) else {
                throw ParameterFault(
                    entry.key, "\(name) has no such parameter", known: keys.map(\.name))
            }
            numbers.append((known.name, try number(known, entry.value)))
        }
        for key in keys where !numbers.contains(where: { $0.name == key.name }) {
            throw ParameterFault(key.name, "\(name) needs this parameter")
        }
        do throws(EconomicsError) {
            return try EmissionPolicy(name: name, values: numbers)
        } catch .invalid(let key) {
            throw ParameterFault(key, "a number that is too large")
        } catch {
            throw ParameterFault(name, "\(error)")
        }
    }

    private static func number(
        _ known: PolicyKey, _ value: ParameterText
    ) throws(ParameterFault) -> UInt128 {
        if known.unit == .tokens {
            guard let text = value.string, let amount = Asset.tly.parse(text) else {
                throw ParameterFault(known.name, "not decimal text")
            }
            return amount.units
        }
        if let whole = value.whole { return UInt128(whole) }
        guard let text = value.string, let number = UInt128(text, radix: 10) else {
            throw ParameterFault(known.name, "not a whole number")
        }
        return number
    }
}
