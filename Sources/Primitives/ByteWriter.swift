/// Appends canonical encodings to a growing byte array.
public struct ByteWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []

    /// An empty writer.
    public init() {}

    /// Appends one byte.
    public mutating func write(_ value: UInt8) { bytes.append(value) }
    /// Appends two bytes, little endian.
    public mutating func write(_ value: UInt16) { append(UInt64(value), count: 2) }
    /// Appends four bytes, little endian.
    public mutating func write(_ value: UInt32) { append(UInt64(value), count: 4) }
    /// Appends eight bytes, little endian.
    public mutating func write(_ value: UInt64) { append(value, count: 8) }
    /// Appends sixteen bytes, little endian.
    public mutating func write(_ value: UInt128) {
        append(UInt64(truncatingIfNeeded: value), count: 8)
        append(UInt64(truncatingIfNeeded: value >> 64), count: 8)
    }
    /// Appends one byte, 0 or 1.
    public mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
    /// Appends the 32 bytes of a digest.
    public mutating func write(_ value: Digest) { bytes.append(contentsOf: value.bytes) }
    /// Appends the value's canonical encoding.
    @inlinable
    public mutating func write(_ value: some CanonicalCodable) { value.encode(into: &self) }
    /// Appends a 32-bit count and then the bytes.
    public mutating func write(_ value: [UInt8]) {
        write(UInt32(value.count))
        bytes.append(contentsOf: value)
    }
    /// Appends a 32-bit count and then the UTF-8 bytes.
    public mutating func write(_ value: String) { write(Array(value.utf8)) }
    /// Appends a 32-bit count and then each element.
    @inlinable
    public mutating func write<Element: CanonicalCodable>(_ values: [Element]) {
        write(UInt32(values.count))
        for value in values { value.encode(into: &self) }
    }
    /// Appends a presence byte and then the value, if there is one.
    @inlinable
    public mutating func write<Value: CanonicalCodable>(_ value: Value?) {
        write(value != nil)
        if let value { value.encode(into: &self) }
    }
    /// Appends bytes as they are, without a count: for fixed-size fields.
    public mutating func writeRaw(_ value: some Sequence<UInt8>) {
        bytes.append(contentsOf: value)
    }

    private mutating func append(_ value: UInt64, count: Int) {
        for index in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
        }
    }
}
