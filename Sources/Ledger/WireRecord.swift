public import Primitives

#if !_endian(little)
    #error("a record's memory is its wire form only on little-endian machines")
#endif

/// A record whose memory is its wire form: 128 bytes, little endian, in the order of the fields and
/// without gaps. So a batch is read or written by copying it once.
public protocol WireRecord: BitwiseCopyable, CanonicalCodable, Hashable, Sendable {
    /// When the record was created; zero in a request.
    var timestamp: Timestamp { get }
}

extension WireRecord {
    /// How many bytes a record has.
    @inlinable
    public static var wireSize: Int { 128 }

    /// The records in these bytes, one after the other; `nil` if the last one is cut short. Nothing
    /// else is checked here. O(n), one allocation.
    public static func records(_ bytes: RawSpan) -> [Self]? {
        precondition(MemoryLayout<Self>.size == wireSize && MemoryLayout<Self>.stride == wireSize)
        let (count, rest) = bytes.byteCount.quotientAndRemainder(dividingBy: wireSize)
        guard rest == 0 else { return nil }
        return unsafe [Self](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
            }
            initialized = count
        }
    }

    /// The records in these bytes, one after the other; `nil` if the last one is cut short. Nothing
    /// else is checked here. O(n), one allocation.
    public static func records(_ bytes: [UInt8]) -> [Self]? {
        unsafe records(bytes.span.bytes)
    }

    /// The bytes of these records, one after the other. O(n), one allocation.
    public static func wireBytes(_ records: [Self]) -> [UInt8] {
        unsafe records.withUnsafeBytes { unsafe [UInt8]($0) }
    }

    /// Appends the one encoding of this value: its wire form.
    public func encode(into writer: inout ByteWriter) {
        unsafe withUnsafeBytes(of: self) { unsafe writer.writeRaw($0) }
    }

    /// Reads a value: every 128 bytes are one.
    @inlinable
    public init(from reader: inout ByteReader) throws(CodecError) {
        precondition(MemoryLayout<Self>.size == Self.wireSize)
        self = try reader.readBits()
    }
}
