/// Appends canonical encodings to a growing byte array, or passes them on to a sink.
public struct ByteWriter: Sendable {
    /// What has been written so far and was not passed on.
    public private(set) var bytes: [UInt8] = []
    private let sink: (any ByteSink)?
    /// From so many bytes on they are passed on.
    private let limit: Int

    /// An empty writer.
    public init() {
        sink = nil
        limit = .max
    }

    /// A writer that passes everything on to `sink`, `part` bytes or a few more at a time: where
    /// an encoding allows it (`passOn`), and the rest in `finish`.
    public init(into sink: any ByteSink, part: Int = 256 << 10) {
        self.sink = sink
        limit = part
        bytes.reserveCapacity(part + part / 4)
    }

    /// Passes on what was written, if there is a sink and enough for it. An encoding calls this
    /// after each record of a list that may be long.
    @inline(__always)
    public mutating func passOn() {
        if bytes.count >= limit { finish() }
    }

    /// Passes on what is left, if there is a sink.
    public mutating func finish() {
        guard let sink, !bytes.isEmpty else { return }
        sink.take(bytes)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Makes room for this many bytes in all, so that growing does not copy them again and again.
    public mutating func reserveCapacity(_ count: Int) { bytes.reserveCapacity(count) }

    /// Appends one byte.
    public mutating func write(_ value: UInt8) { bytes.append(value) }
    /// Appends two bytes, little endian.
    public mutating func write(_ value: UInt16) { append(value) }
    /// Appends four bytes, little endian.
    public mutating func write(_ value: UInt32) { append(value) }
    /// Appends eight bytes, little endian.
    public mutating func write(_ value: UInt64) { append(value) }
    /// Appends sixteen bytes, little endian.
    public mutating func write(_ value: UInt128) { append(value) }
    /// Appends one byte, 0 or 1.
    public mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }
    /// Appends the 32 bytes of a digest.
    public mutating func write(_ value: Digest) {
        let words = value.words
        append(raw: (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian))
    }
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

    @inline(__always)
    private mutating func append(_ value: some FixedWidthInteger & BitwiseCopyable) {
        append(raw: value.littleEndian)
    }

    /// Appends a value without pointers or padding as it lies in memory.
    @inline(__always)
    private mutating func append(raw value: some BitwiseCopyable) {
        unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
    }
}
