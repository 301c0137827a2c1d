public import Primitives

/// What an answer's text must be.
public enum OutputFormat: Hashable, Sendable {
    /// Anything.
    case text
    /// A JSON object.
    case jsonObject
    /// A JSON value that a schema allows; the schema's text without white space.
    case jsonSchema([UInt8])

    /// The most bytes of a schema without white space.
    public static let maximumSchemaBytes = 32 << 10

    /// The format of a schema's text. Whether it can be enforced is found out when it is compiled.
    ///
    /// - Throws: `notJSON` and `tooLarge`.
    public init(schema text: some Sequence<UInt8>) throws(SchemaError) {
        self = try OutputFormat(schema: OrderedJSON(text))
    }

    /// The format of a schema.
    ///
    /// - Throws: `tooLarge`.
    public init(schema: OrderedJSON) throws(SchemaError) {
        let bytes = schema.bytes
        guard bytes.count <= Self.maximumSchemaBytes else {
            throw SchemaError(
                .tooLarge,
                "a schema of \(bytes.count) bytes, at most \(Self.maximumSchemaBytes)")
        }
        self = .jsonSchema(bytes)
    }
}

extension OutputFormat: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        switch self {
        case .text: writer.write(UInt8(0))
        case .jsonObject: writer.write(UInt8(1))
        case .jsonSchema(let schema):
            writer.write(UInt8(2))
            writer.write(schema)
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        switch try reader.readUInt8() {
        case 0: self = .text
        case 1: self = .jsonObject
        case 2:
            self = .jsonSchema(try reader.readBytes(limit: Self.maximumSchemaBytes))
        default: throw .invalidValue("output format")
        }
    }
}
