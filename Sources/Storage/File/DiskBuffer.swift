/// Memory that a disk can write straight from: it begins at a multiple of 4,096. For one thread at
/// a time. Integers are little-endian. A place outside the buffer ends the program.
@safe
public final class DiskBuffer: @unchecked Sendable {
    /// What the memory is aligned to, in bytes.
    public static let alignment = 4_096

    /// Bytes in the buffer.
    public let count: Int
    private let memory: UnsafeMutableRawBufferPointer

    /// A buffer of zeros, `count` bytes or a few more.
    public init(_ count: Int) {
        let alignment = DiskBuffer.alignment
        self.count = max(count + alignment - 1, alignment) / alignment * alignment
        unsafe memory = .allocate(byteCount: self.count, alignment: alignment)
        clear(0..<self.count)
    }

    deinit { unsafe memory.deallocate() }

    /// A copy of some bytes.
    public func bytes(_ range: Range<Int>) -> [UInt8] {
        unsafe [UInt8](slice(range))
    }

    /// Copies `bytes[range]` in, from `place` on.
    public func copy(_ range: Range<Int>, of bytes: [UInt8], to place: Int) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        unsafe bytes.withUnsafeBytes { source in
            let target = unsafe slice(place..<place + range.count)
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[range]))
        }
    }

    /// Copies bytes of another buffer in.
    func copy(_ range: Range<Int>, of other: DiskBuffer, to place: Int) {
        let source = unsafe UnsafeRawBufferPointer(other.slice(range))
        unsafe slice(place..<place + range.count).copyMemory(from: source)
    }

    /// Sets some bytes to zero.
    public func clear(_ range: Range<Int>) {
        let target = unsafe slice(range)
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Whether some bytes are all zero.
    func isZero(_ range: Range<Int>) -> Bool {
        let bytes = unsafe UnsafeRawBufferPointer(slice(range))
        var place = 0
        while place + 64 <= bytes.count {
            let part = unsafe bytes.loadUnaligned(fromByteOffset: place, as: SIMD8<UInt64>.self)
            if part != .zero { return false }
            place += 64
        }
        while place + 8 <= bytes.count {
            if unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) != 0 {
                return false
            }
            place += 8
        }
        while place < bytes.count {
            if unsafe bytes[place] != 0 { return false }
            place += 1
        }
        return true
    }

    /// Writes an integer.
    func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at place: Int) {
        let target = unsafe slice(place..<place + Value.bitWidth / 8)
        unsafe target.storeBytes(of: value.littleEndian, as: Value.self)
    }

    /// Reads an integer.
    func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type = Value.self, at place: Int
    ) -> Value {
        let source = unsafe slice(place..<place + Value.bitWidth / 8)
        return Value(littleEndian: unsafe source.loadUnaligned(as: Value.self))
    }

    /// Some of the memory itself, valid while the buffer lives.
    @inline(__always)
    func slice(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "outside the buffer")
        return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[range])
    }
}
