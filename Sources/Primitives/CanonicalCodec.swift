/// Why bytes could not be read as a canonical record.
public enum CodecError: Error, Equatable, Sendable {
    /// The bytes ended before the record did.
    case truncated
    /// Bytes were left over after the record.
    case trailingBytes
    /// A count or length is over its limit; carries the field's name.
    case limitExceeded(String)
    /// A value that the field does not allow; carries the field's name.
    case invalidValue(String)
}

/// A record with exactly one encoding: what is hashed, signed and journaled.
///
/// Integers are fixed-width little-endian; digests, keys and addresses are their raw bytes; byte
/// strings, text and lists carry a 32-bit count first; optionals one byte 0 or 1. Decoding rejects
/// anything the encoder would not have written, so decode then encode gives the same bytes.
public protocol CanonicalCodable {
    /// Appends the one encoding of this value.
    func encode(into writer: inout ByteWriter)
    /// Reads a value; throws rather than accept a second spelling of it.
    init(from reader: inout ByteReader) throws(CodecError)
}

extension CanonicalCodable {
    /// The canonical bytes of this value.
    public func canonicalBytes() -> [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }

    /// Reads one value from exactly these bytes.
    public init(canonicalBytes bytes: [UInt8]) throws(CodecError) {
        var reader = ByteReader(bytes)
        try self.init(from: &reader)
        try reader.finish()
    }
}
