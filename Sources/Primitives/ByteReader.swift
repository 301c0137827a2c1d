/// Reads canonical encodings and refuses whatever the writer would not have written.
public struct ByteReader: Sendable {
    @usableFromInline var bytes: [UInt8]
    @usableFromInline var offset: Int
    /// Where in `bytes` it ends.
    @usableFromInline var end: Int
    private let source: (any ByteSource)?

    /// Reads from the start of `bytes`.
    public init(_ bytes: [UInt8]) {
        self.init(bytes, 0..<bytes.count)
    }

    private init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        offset = range.lowerBound
        end = range.upperBound
        source = nil
    }

    /// Reads what `source` gives, a part at a time.
    public init(from source: any ByteSource) {
        bytes = []
        offset = 0
        end = 0
        self.source = source
    }

    /// How many bytes are left.
    public var remaining: Int { end - offset + (source?.remaining ?? 0) }

    /// Throws unless every byte was read.
    public func finish() throws(CodecError) {
        if remaining != 0 { throw .trailingBytes }
    }

    /// Reads one byte.
    public mutating func readUInt8() throws(CodecError) -> UInt8 {
        try readInteger()
    }
    /// Reads two bytes, little endian.
    public mutating func readUInt16() throws(CodecError) -> UInt16 {
        try readInteger()
    }
    /// Reads four bytes, little endian.
    public mutating func readUInt32() throws(CodecError) -> UInt32 {
        try readInteger()
    }
    /// Reads eight bytes, little endian.
    public mutating func readUInt64() throws(CodecError) -> UInt64 {
        try readInteger()
    }
    /// Reads sixteen bytes, little endian.
    public mutating func readUInt128() throws(CodecError) -> UInt128 {
        try readInteger()
    }
    /// Reads one byte that must be 0 or 1.
    public mutating func readBool() throws(CodecError) -> Bool {
        switch try readUInt8() {
        case 0: return false
        case 1: return true
        default: throw .invalidValue("flag")
        }
    }
    /// Reads 32 bytes.
    public mutating func readDigest() throws(CodecError) -> Digest {
        let words: (UInt64, UInt64, UInt64, UInt64) = (
            try readInteger(), try readInteger(), try readInteger(), try readInteger()
        )
        return Digest(
            words: (
                words.0.byteSwapped, words.1.byteSwapped, words.2.byteSwapped, words.3.byteSwapped
            ))
    }
    /// Reads a counted byte string of at most `limit` bytes.
    public mutating func readBytes(limit: Int) throws(CodecError) -> [UInt8] {
        try readRaw(count: try readCount(limit: limit))
    }
    /// Reads counted UTF-8 text of at most `limit` bytes.
    public mutating func readString(limit: Int) throws(CodecError) -> String {
        guard let text = String(validating: try readBytes(limit: limit), as: UTF8.self) else {
            throw .invalidValue("text")
        }
        return text
    }
    /// Reads a count of at most `limit`.
    public mutating func readCount(limit: Int) throws(CodecError) -> Int {
        let count = Int(try readUInt32())
        if count > limit { throw .limitExceeded("count") }
        return count
    }
    /// Reads one value of a type.
    @inlinable
    public mutating func read<Value: CanonicalCodable>(
        _ type: Value.Type = Value.self
    ) throws(CodecError) -> Value {
        try Value(from: &self)
    }
    /// Reads a counted list of at most `limit` elements.
    @inlinable
    public mutating func readArray<Element: CanonicalCodable>(
        of type: Element.Type = Element.self, limit: Int
    ) throws(CodecError) -> [Element] {
        let count = try readCount(limit: limit)
        var values: [Element] = []
        for _ in 0..<count { values.append(try Element(from: &self)) }
        return values
    }
    /// Reads an optional value.
    @inlinable
    public mutating func readOptional<Value: CanonicalCodable>(
        _ type: Value.Type = Value.self
    ) throws(CodecError) -> Value? {
        try readBool() ? try Value(from: &self) : nil
    }
    /// Reads exactly `count` bytes.
    public mutating func readRaw(count: Int) throws(CodecError) -> [UInt8] {
        Array(bytes[try take(count)])
    }
    /// Lends the next `count` bytes, which are not copied, and goes behind them.
    @inlinable
    public mutating func withRaw<Value>(
        count: Int, _ body: (RawSpan) -> Value
    ) throws(CodecError) -> Value {
        let range = try take(count)
        return unsafe body(bytes.span.bytes.extracting(range))
    }
    /// A reader of exactly the next `count` bytes, which are not copied; this one goes on behind
    /// them.
    public mutating func readPart(count: Int) throws(CodecError) -> ByteReader {
        let range = try take(count)
        return ByteReader(bytes, range)
    }

    /// Goes behind the next `count` bytes; gives where in `bytes` they are.
    @usableFromInline
    mutating func take(_ count: Int) throws(CodecError) -> Range<Int> {
        if count < 0 { throw .truncated }
        if count > end - offset { try fill(count) }
        defer { offset += count }
        return offset..<offset + count
    }

    /// Reads a value that lies in memory as its encoding: little endian, without gaps or pointers,
    /// and any bits are one.
    @inlinable @inline(__always)
    public mutating func readBits<Value: BitwiseCopyable>(
        as type: Value.Type = Value.self
    ) throws(CodecError) -> Value {
        let width = MemoryLayout<Value>.size
        if width > end - offset { try fill(width) }
        defer { offset += width }
        return unsafe bytes.withUnsafeBytes { buffer in
            unsafe buffer.loadUnaligned(fromByteOffset: offset, as: Value.self)
        }
    }

    /// Reads an integer of its own width, little endian.
    @inline(__always)
    private mutating func readInteger<Value: FixedWidthInteger & BitwiseCopyable>()
        throws(CodecError) -> Value
    {
        Value(littleEndian: try readBits())
    }

    /// Gets at least `count` bytes together.
    @inline(never) @usableFromInline
    mutating func fill(_ count: Int) throws(CodecError) {
        guard let source, count <= remaining else { throw .truncated }
        defer { end = bytes.count }
        bytes.removeSubrange(..<offset)
        offset = 0
        while bytes.count < count {
            let more = source.next()
            if more.isEmpty { throw .truncated }
            if bytes.isEmpty { bytes = more } else { bytes += more }
        }
    }
}
