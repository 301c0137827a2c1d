public import Primitives

/// One parameter of a policy, for files and tables.
public struct PolicyField: Hashable, Sendable {
    /// Its name and what it counts.
    public let key: PolicyKey
    /// Its value: a count, ledger units, or a fixed-point number.
    public let value: UInt128
}

/// The name of a policy's parameter and how a file writes it.
public struct PolicyKey: Hashable, Sendable {
    /// How a file writes the number.
    public enum Unit: Hashable, Sendable {
        /// A whole number.
        case count
        /// Decimal text of incentive tokens.
        case tokens
    }

    /// The name, in lower case with underscores.
    public let name: String
    /// How it is written.
    public let unit: Unit

    init(_ name: String, _ unit: Unit = .count) {
        self.name = name
        self.unit = unit
    }
}

/// What every emission rule says about itself: files, bytes and tables follow from one list.
protocol EmissionRule: Hashable, Sendable {
    static var name: String { get }
    static var keys: [PolicyKey] { get }
    /// In the order of `keys`.
    var values: [UInt128] { get }
    /// From as many values as there are keys.
    init(values: [UInt128])
    var problem: String? { get }
}

extension EmissionPolicy {
    /// The names of all policies with their parameters, in the order of the canonical tags.
    public static var catalogue: [(name: String, keys: [PolicyKey])] {
        kinds.map { ($0.name, $0.keys) }
    }

    /// The policy of this name with these parameters, all of them, in any order.
    public init(name: String, values: [(name: String, value: UInt128)]) throws(EconomicsError) {
        guard let tag = EmissionPolicy.kinds.firstIndex(where: { $0.name == name }) else {
            throw .invalid(name)
        }
        let keys = EmissionPolicy.kinds[tag].keys
        for entry in values where !keys.contains(where: { $0.name == entry.name }) {
            throw .invalid(entry.name)
        }
        var ordered: [UInt128] = []
        for key in keys {
            let found = values.filter { $0.name == key.name }
            guard found.count == 1 else { throw .invalid(key.name) }
            ordered.append(found[0].value)
        }
        self.init(tag: tag, values: ordered)
        for (field, value) in zip(fields, ordered) where field.value != value {
            throw .invalid(field.key.name)
        }
    }

    /// In the order of the tags, which are stable for ever.
    private static var kinds: [any EmissionRule.Type] {
        [
            HeightHalving.self, IssuanceHalving.self, BondedStep.self, BondedProportional.self,
            BaselineMinting.self, NetEmissions.self, BurnAndMint.self,
        ]
    }

    private var tag: Int {
        switch self {
        case .heightHalving: 0
        case .issuanceHalving: 1
        case .bondedStep: 2
        case .bondedProportional: 3
        case .baselineMinting: 4
        case .netEmissions: 5
        case .burnAndMint: 6
        }
    }

    private init(tag: Int, values: [UInt128]) {
        switch tag {
        case 0: self = .heightHalving(HeightHalving(values: values))
        case 1: self = .issuanceHalving(IssuanceHalving(values: values))
        case 2: self = .bondedStep(BondedStep(values: values))
        case 3: self = .bondedProportional(BondedProportional(values: values))
        case 4: self = .baselineMinting(BaselineMinting(values: values))
        case 5: self = .netEmissions(NetEmissions(values: values))
        default: self = .burnAndMint(BurnAndMint(values: values))
        }
    }
}

/// A tag byte, then the parameters as 128-bit numbers in their order.
extension EmissionPolicy: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(tag))
        for field in fields { writer.write(field.value) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let tag = Int(try reader.readUInt8())
        guard tag < EmissionPolicy.kinds.count else { throw .invalidValue("emission policy") }
        var values: [UInt128] = []
        for _ in EmissionPolicy.kinds[tag].keys { values.append(try reader.readUInt128()) }
        self.init(tag: tag, values: values)
        // A number that its parameter cannot hold.
        if fields.map(\.value) != values { throw .invalidValue("emission policy") }
    }
}
