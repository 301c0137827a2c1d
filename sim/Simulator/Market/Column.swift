import Primitives

/// One attribute of all agents of a kind: as many plain values as there are agents, side by side.
///
/// A value like an array, but without a check at each write whether somebody else holds it too: a
/// step takes all its columns for itself once (`own`) before it writes. Copies share their memory
/// until then.
@safe
struct Column<Element: BitwiseCopyable & Sendable> {
    @safe
    private final class Memory {
        let base: UnsafeMutablePointer<Element>

        init(count: Int) { unsafe base = .allocate(capacity: max(count, 1)) }

        deinit { unsafe base.deallocate() }
    }

    private var memory: Memory
    private var base: UnsafeMutablePointer<Element>
    /// How many values there are.
    let count: Int

    /// As many times the same value.
    init(_ count: Int, _ value: Element) {
        memory = Memory(count: count)
        unsafe base = memory.base
        self.count = count
        unsafe base.initialize(repeating: value, count: count)
    }

    /// The value at a place, which must exist. Writing needs `own` before.
    subscript(place: Int) -> Element {
        @inline(__always)
        get {
            precondition(place >= 0 && place < count, "no such agent")
            return unsafe base[place]
        }
        @inline(__always)
        nonmutating _modify {
            precondition(place >= 0 && place < count, "no such agent")
            yield unsafe &base[place]
        }
    }

    /// Makes sure that nobody else sees what is written.
    mutating func own() {
        if isKnownUniquelyReferenced(&memory) { return }
        let fresh = Memory(count: count)
        unsafe fresh.base.initialize(from: base, count: count)
        memory = fresh
        unsafe base = fresh.base
    }

    /// Values that are written or read at once.
    private static var part: Int { 8_192 }

    func write(into writer: inout ByteWriter) {
        for start in stride(from: 0, to: count, by: Self.part) {
            let length = min(Self.part, count - start)
            unsafe writer.writeRaw(
                UnsafeRawBufferPointer(
                    UnsafeBufferPointer(start: base + start, count: length)))
            writer.passOn()
        }
    }

    func read(from reader: inout ByteReader) throws(CodecError) {
        for start in stride(from: 0, to: count, by: Self.part) {
            let length = min(Self.part, count - start)
            let bytes = length * MemoryLayout<Element>.stride
            try reader.withRaw(count: bytes) { raw in
                unsafe raw.withUnsafeBytes { source in
                    unsafe UnsafeMutableRawPointer(base + start).copyMemory(
                        from: source.baseAddress.unsafelyUnwrapped, byteCount: bytes)
                }
            }
        }
    }

    /// Writes the same value everywhere.
    func fill(_ value: Element) { unsafe base.update(repeating: value, count: count) }
}

// Written only by a sole owner, as an array's storage is; the pointer is what the compiler cannot
// see through.
extension Column: @unchecked Sendable {}

/// Something that is done with each column of a record: records list their columns once.
protocol ColumnVisitor {
    mutating func visit<Element>(_ column: inout Column<Element>)
}

/// Takes every column's memory for itself.
struct ColumnOwner: ColumnVisitor {
    mutating func visit<Element>(_ column: inout Column<Element>) { column.own() }
}

/// Writes every column as it lies in memory, little endian as all machines that run this are.
struct ColumnWriter: ColumnVisitor {
    var writer: ByteWriter

    mutating func visit<Element>(_ column: inout Column<Element>) {
        column.write(into: &writer)
    }
}

/// Reads every column; after an error none is of use.
struct ColumnReader: ColumnVisitor {
    var reader: ByteReader
    var error: CodecError?

    mutating func visit<Element>(_ column: inout Column<Element>) {
        if error != nil { return }
        column.own()
        do throws(CodecError) {
            try column.read(from: &reader)
        } catch {
            self.error = error
        }
    }
}
