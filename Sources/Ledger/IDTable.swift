/// Finds a 32-bit reference by a 128-bit id: open addressing, linear probing.
///
/// A slot is eight bytes: the upper half of the id's hash and the reference plus one; zero means
/// empty. The keys themselves stay in the records, so the caller compares. A slot's home is the top
/// bits of its hash, so growing and removing need no keys either. The layout is never observable:
/// not in answers, not in encodings.
///
/// A table of more than 4,096 references is in 256 segments, each a table of its own with its own
/// limit between a third and two thirds full. So they double one after the other, and growing costs
/// no pause: of 10 million references a doubling moves 40,000. About 17 bytes a reference.
struct IDTable: Sendable {
    private var segments: [Segment]
    /// How many of a hash's top bits name the segment: 0 or 8.
    private var segmentBits: UInt32 = 0
    private(set) var count = 0
    private let seed: UInt64

    /// The most references a table can hold.
    static let limit = 1 << 31
    /// How many references are kept in one segment.
    private static let undivided = 4_096

    /// An empty table. Strangers who choose ids and know the seed can make lookups slow.
    init(seed: UInt64) {
        self.seed = seed
        segments = [Segment(size: 16, limit: 8)]
    }

    /// The reference for which `matches` is true among those with the hash of `id`.
    @inline(__always)
    func find(_ id: UInt128, where matches: (UInt32) -> Bool) -> UInt32? {
        let tag = hash(id)
        return segments[segmentIndex(tag)].find(tag, home: tag << segmentBits, where: matches)
    }

    /// Reads where an id would be, so that finding it soon after need not wait for memory. To be
    /// called for several ids in a row, whose waits then overlap.
    @inline(__always)
    func prefetch(_ id: UInt128) {
        let tag = hash(id)
        segments[segmentIndex(tag)].prefetch(home: tag << segmentBits)
    }

    /// Adds a reference for an id that is not there.
    @inline(__always)
    mutating func insert(_ id: UInt128, reference: UInt32) {
        precondition(count < IDTable.limit, "the ledger is full")
        insert(UInt64(hash(id)) << 32 | UInt64(reference + 1))
    }

    /// Takes out a reference that was inserted for this id, and closes the gap.
    mutating func remove(_ id: UInt128, reference: UInt32) {
        let tag = hash(id)
        segments[segmentIndex(tag)].remove(
            UInt64(tag) << 32 | UInt64(reference + 1), skipping: segmentBits)
        count -= 1
    }

    /// Makes room for `total` references at once.
    mutating func reserve(_ total: Int) {
        if total > IDTable.undivided, segmentBits == 0 { divide() }
        // Chance makes some segments fuller than others.
        let share = total / segments.count + total / segments.count / 16
        for index in segments.indices {
            while segments[index].limit < share { segments[index].double(skipping: segmentBits) }
        }
    }

    @inline(__always)
    private mutating func insert(_ slot: UInt64) {
        var index = segmentIndex(UInt32(truncatingIfNeeded: slot >> 32))
        if segments[index].count >= segments[index].limit {
            if segmentBits == 0, count >= IDTable.undivided {
                divide()
                index = segmentIndex(UInt32(truncatingIfNeeded: slot >> 32))
            }
            segments[index].double(skipping: segmentBits)
        }
        segments[index].insert(slot, skipping: segmentBits)
        count += 1
    }

    private mutating func divide() {
        let old = segments[0]
        segmentBits = 8
        segments = (0..<256).map { Segment(size: 64, limit: 64 * (256 + $0) / 768) }
        count = 0
        old.forEach { insert($0) }
    }

    @inline(__always)
    private func segmentIndex(_ tag: UInt32) -> Int {
        Int((UInt64(tag) << UInt64(segmentBits)) >> 32)
    }

    /// Two folded 64-bit multiplications, as in wyhash; the upper 32 bits.
    @inline(__always)
    private func hash(_ id: UInt128) -> UInt32 {
        let low = UInt64(truncatingIfNeeded: id)
        let high = UInt64(truncatingIfNeeded: id >> 64)
        let first = fold(low ^ seed, 0x9E37_79B9_7F4A_7C15)
        let second = fold(first ^ high, 0xA076_1D64_78BD_642F)
        return UInt32(truncatingIfNeeded: second >> 32)
    }

    @inline(__always)
    private func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}

/// A part of an `IDTable`: the slots of those ids whose hashes start with the same bits. Those bits
/// are skipped for a slot's home.
private struct Segment: Sendable {
    /// A power of two.
    private var slots: [UInt64]
    private(set) var count = 0
    /// How many slots may be taken before the segment doubles.
    private(set) var limit: Int
    /// `32 - log2(slots.count)`.
    private var shift: UInt32

    init(size: Int, limit: Int) {
        slots = Array(repeating: 0, count: size)
        self.limit = limit
        shift = 32 - UInt32(size.trailingZeroBitCount)
    }

    @inline(__always)
    func find(_ tag: UInt32, home: UInt32, where matches: (UInt32) -> Bool) -> UInt32? {
        let mask = slots.count - 1
        var position = Int(home >> shift)
        while true {
            let slot = slots[position]
            if slot == 0 { return nil }
            if UInt32(truncatingIfNeeded: slot >> 32) == tag {
                let reference = UInt32(truncatingIfNeeded: slot) &- 1
                if matches(reference) { return reference }
            }
            position = (position + 1) & mask
        }
    }

    @inline(__always)
    func prefetch(home: UInt32) {
        // True of every slot; unlike a load whose result goes nowhere, it is not optimized away.
        precondition(slots[Int(home >> shift)] != .max, "a slot holds a hash and a reference")
    }

    @inline(__always)
    mutating func insert(_ slot: UInt64, skipping bits: UInt32) {
        let mask = slots.count - 1
        var position = home(slot, bits)
        while slots[position] != 0 { position = (position + 1) & mask }
        slots[position] = slot
        count += 1
    }

    mutating func remove(_ slot: UInt64, skipping bits: UInt32) {
        let mask = slots.count - 1
        var gap = home(slot, bits)
        while slots[gap] != slot {
            precondition(slots[gap] != 0, "the id is not in the table")
            gap = (gap + 1) & mask
        }
        var next = (gap + 1) & mask
        while slots[next] != 0 {
            if (next - home(slots[next], bits)) & mask >= (next - gap) & mask {
                slots[gap] = slots[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        slots[gap] = 0
        count -= 1
    }

    @inline(never)
    mutating func double(skipping bits: UInt32) {
        let old = slots
        slots = Array(repeating: 0, count: old.count * 2)
        limit *= 2
        shift -= 1
        count = 0
        for slot in old where slot != 0 { insert(slot, skipping: bits) }
    }

    func forEach(_ body: (UInt64) -> Void) {
        for slot in slots where slot != 0 { body(slot) }
    }

    @inline(__always)
    private func home(_ slot: UInt64, _ bits: UInt32) -> Int {
        Int((UInt32(truncatingIfNeeded: slot >> 32) << bits) >> shift)
    }
}
