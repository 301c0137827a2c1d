/// Why contract data or an artefact could not be used.
public enum ABIError: Error, Hashable, Sendable {
    /// An artefact is not what a compiler writes; says which part.
    case badArtifact(String)
    /// The artefact has no function or event of this name.
    case unknownName(String)
    /// An argument does not fit its parameter; says which.
    case badArgument(String)
    /// The data ends before the value does, or an offset or length points outside of it.
    case truncated
    /// A value has bits set outside of its type, or text is not UTF-8.
    case notCanonical
    /// More bytes or elements than this side reads.
    case tooLarge
    /// A number does not fit what it is read into; says which.
    case overflow(String)
}

/// The type of a contract parameter (Solidity ABI specification), as far as contracts here use it.
public indirect enum ABIType: Hashable, Sendable {
    /// An unsigned number of 8 to 256 bits.
    case uint(bits: Int)
    /// True or false.
    case bool
    /// An account.
    case address
    /// Exactly 32 bytes.
    case bytes32
    /// Any number of bytes.
    case bytes
    /// UTF-8 text.
    case string
    /// Any number of elements.
    case array(ABIType)
    /// Fields in order.
    case tuple([ABIType])

    /// The type of an ABI entry, by its `type` text and, for tuples, its components.
    init(_ text: String, components: [ABIType]) throws(ABIError) {
        if text.hasSuffix("[]") {
            self = .array(try ABIType(String(text.dropLast(2)), components: components))
            return
        }
        switch text {
        case "bool": self = .bool
        case "address": self = .address
        case "bytes32": self = .bytes32
        case "bytes": self = .bytes
        case "string": self = .string
        case "tuple": self = .tuple(components)
        default:
            guard text.hasPrefix("uint"), let bits = Int(text.dropFirst(4)), bits > 0, bits <= 256,
                bits.isMultiple(of: 8)
            else { throw .badArtifact("type \(text.prefix(40))") }
            self = .uint(bits: bits)
        }
    }

    /// The spelling that selectors and topics are computed from.
    public var signature: String {
        switch self {
        case .uint(let bits): "uint\(bits)"
        case .bool: "bool"
        case .address: "address"
        case .bytes32: "bytes32"
        case .bytes: "bytes"
        case .string: "string"
        case .array(let element): "\(element.signature)[]"
        case .tuple(let fields): "(\(fields.map(\.signature).joined(separator: ",")))"
        }
    }

    /// Whether the value stands behind an offset instead of in place.
    var isDynamic: Bool {
        switch self {
        case .uint, .bool, .address, .bytes32: false
        case .bytes, .string, .array: true
        case .tuple(let fields): fields.contains(where: \.isDynamic)
        }
    }

    /// Bytes the value takes in place.
    var headBytes: Int {
        guard case .tuple(let fields) = self, !isDynamic else { return 32 }
        return fields.reduce(0) { $0 + $1.headBytes }
    }
}
