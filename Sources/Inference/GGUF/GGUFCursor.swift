/// Reads a model file from front to back and never past its end.
struct GGUFCursor {
    /// What this reader accepts at most. Real files stay far below.
    enum Limit {
        static let entries = 4_096
        static let tensors = 65_536
        static let keyBytes = 1_024
        static let textBytes = 4 << 20
        static let elements = 4 << 20
        /// In all arrays together: small numbers take more memory than file.
        static let allElements = 8 << 20
        static let nameBytes = 256
        static let dimensions = 4
    }

    let bytes: ModelBytes
    private(set) var offset = 0
    private var elements = 0

    init(_ bytes: ModelBytes) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - offset }

    /// Reads one little-endian integer.
    mutating func integer<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self, of what: @autoclosure () -> String
    ) throws(ModelError) -> Value {
        let size = MemoryLayout<Value>.size
        guard size <= remaining else { throw ModelError(.truncated, what()) }
        defer { offset += size }
        return Value(
            littleEndian: unsafe bytes.raw.loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Reads a 64-bit count of at most `limit`.
    mutating func count(
        limit: Int, of what: @autoclosure () -> String
    ) throws(ModelError) -> Int {
        let value = try integer(UInt64.self, of: what())
        guard value <= UInt64(limit) else {
            throw ModelError(.limitExceeded, "\(what()): \(value), at most \(limit)")
        }
        return Int(value)
    }

    /// Reads the length of an array whose elements take at least `leastBytes` each.
    mutating func elementCount(
        leastBytes: Int, of what: @autoclosure () -> String
    ) throws(ModelError) -> Int {
        let count = try count(limit: Limit.elements, of: what())
        elements += count
        guard elements <= Limit.allElements else {
            throw ModelError(.limitExceeded, "\(what()): more than \(Limit.allElements) in all")
        }
        guard count * leastBytes <= remaining else { throw ModelError(.truncated, what()) }
        return count
    }

    /// Reads counted UTF-8 text of at most `limit` bytes.
    mutating func text(
        limit: Int, of what: @autoclosure () -> String
    ) throws(ModelError) -> String {
        let size = try count(limit: limit, of: what())
        guard size <= remaining else { throw ModelError(.truncated, what()) }
        defer { offset += size }
        let buffer = unsafe bytes.slice(offset, size)
        guard let text = unsafe String(validating: buffer, as: UTF8.self) else {
            throw ModelError(.invalidText, what())
        }
        return text
    }

    /// Reads one flag byte.
    mutating func flag(of what: @autoclosure () -> String) throws(ModelError) -> Bool {
        let byte = try integer(UInt8.self, of: what())
        guard byte <= 1 else { throw ModelError(.invalidFlag, what()) }
        return byte == 1
    }
}
