import Primitives

/// A JSON value: the parameters of a call.
public enum JSONValue: Hashable, Sendable, Encodable, ExpressibleByStringLiteral,
    ExpressibleByBooleanLiteral
{
    /// Text.
    case string(String)
    /// True or false.
    case bool(Bool)
    /// A whole number.
    case integer(Int64)
    /// Nothing.
    case null
    /// A list.
    case array([JSONValue])
    /// Names and values; written in any order.
    case object([String: JSONValue])

    /// Text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// True or false.
    public init(booleanLiteral value: Bool) { self = .bool(value) }

    /// A number as JSON-RPC writes quantities: `0x` and hexadecimal digits without leading zeros.
    public static func quantity(_ value: some UnsignedInteger) -> JSONValue {
        .string("0x" + String(value, radix: 16))
    }

    /// Bytes as `0x` and two digits each.
    public static func data(_ bytes: some Sequence<UInt8>) -> JSONValue {
        .string("0x" + Hex.encode(bytes))
    }

    /// Writes the value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .string(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .null: try container.encodeNil()
        case .array(let values): try container.encode(values)
        case .object(let fields): try container.encode(fields)
        }
    }
}
