/// A growing list in chunks of at most 128 KiB, so that growing never moves what is there.
///
/// A value like an array. A copy shares its chunks; the first change of a chunk by either side
/// copies that chunk alone. Appending, reading and changing one element are O(1) and at most one
/// chunk is copied or allocated for it. Elements are plain bits without anything to release.
@safe
public struct ChunkedArray<Element: BitwiseCopyable & Sendable>: RandomAccessCollection {
    /// One stretch of memory. Written only while a single list holds it.
    @safe
    @usableFromInline
    final class Chunk {
        @usableFromInline
        let base: UnsafeMutablePointer<Element>

        @usableFromInline
        init(capacity: Int) {
            unsafe base = .allocate(capacity: capacity)
        }

        deinit { unsafe base.deallocate() }
    }

    /// Who keeps the memory alive, and where it is: reading needs no look at the owner.
    @usableFromInline
    var chunks: [Chunk] = []
    @usableFromInline
    var bases: [UnsafeMutablePointer<Element>] = unsafe []
    /// How many elements fit without another chunk. The first chunk grows by doubling.
    private var capacity = 0

    /// How many elements there are.
    public private(set) var count = 0

    /// An empty list.
    public init() {}

    /// How many elements a chunk holds, as a power of two: `1 << shift`.
    @inlinable @inline(__always)
    static var shift: Int {
        let fitting = (128 << 10) / MemoryLayout<Element>.stride
        return Int.bitWidth - 1 - fitting.leadingZeroBitCount
    }

    @inlinable @inline(__always)
    static var mask: Int { 1 << shift - 1 }

    /// Always 0.
    @inlinable
    public var startIndex: Int { 0 }
    /// The same as `count`.
    @inlinable
    public var endIndex: Int { count }

    /// The element at a place, which must exist.
    public internal(set) subscript(index: Int) -> Element {
        @inlinable @inline(__always)
        get {
            precondition(index >= 0 && index < count, "there is no such element")
            return unsafe bases[index >> Self.shift][index & Self.mask]
        }
        @inline(__always)
        _modify {
            precondition(index >= 0 && index < count, "there is no such element")
            let chunk = index >> Self.shift
            own(chunk)
            yield unsafe &bases[chunk][index & Self.mask]
        }
    }

    /// Adds an element at the end.
    @inline(__always)
    mutating func append(_ element: Element) {
        let chunk = count >> Self.shift
        if count == capacity { grow() } else { own(chunk) }
        unsafe (bases[chunk] + (count & Self.mask)).initialize(to: element)
        count += 1
    }

    /// Takes the last element off. Its chunk stays for the next one.
    @discardableResult
    mutating func removeLast() -> Element {
        let last = self[count - 1]
        count -= 1
        return last
    }

    /// Makes sure that nobody else sees a change of this chunk.
    @inline(__always)
    private mutating func own(_ chunk: Int) {
        if !isKnownUniquelyReferenced(&chunks[chunk]) { copy(chunk, capacity: Self.mask + 1) }
    }

    @inline(never)
    private mutating func grow() {
        if count > 0, count < Self.mask + 1 {
            capacity = Swift.min(capacity * 2, Self.mask + 1)
            copy(0, capacity: capacity)
        } else {
            let size = count == 0 ? Swift.min(16, Self.mask + 1) : Self.mask + 1
            capacity = count + size
            chunks.append(Chunk(capacity: size))
            unsafe bases.append(chunks[chunks.count - 1].base)
        }
    }

    @inline(never)
    private mutating func copy(_ chunk: Int, capacity size: Int) {
        let fresh = Chunk(capacity: Swift.min(size, Swift.max(capacity, 1)))
        let used = Swift.min(count - chunk << Self.shift, Self.mask + 1)
        unsafe fresh.base.update(from: bases[chunk], count: used)
        unsafe bases[chunk] = fresh.base
        chunks[chunk] = fresh
    }
}

// The pointers are what the compiler cannot see through. Chunks are read by many and written only
// by a sole owner, as an array's storage is.
extension ChunkedArray: @unchecked Sendable {}

extension ChunkedArray: Equatable where Element: Equatable {
    /// Whether both hold equal elements in the same order.
    public static func == (left: ChunkedArray, right: ChunkedArray) -> Bool {
        left.elementsEqual(right)
    }
}
