/// Finds a 32-bit reference by a 128-bit id: open addressing, linear probing, at most half full.
///
/// A slot is eight bytes: the upper half of the id's hash and the reference plus one; zero means
/// empty. The keys themselves stay in the records, so the caller compares. A slot's home is the top
/// bits of its hash, so growing and removing need no keys either. The layout is never observable:
/// not in answers, not in encodings.
struct IDTable: Sendable {
    private var slots: [UInt64]
    /// `32 - log2(slots.count)`.
    private var shift: UInt32
    private(set) var count = 0
    private let seed: UInt64

    /// The most references a table can hold.
    static let limit = 1 << 31

    /// An empty table. Strangers who choose ids and know the seed can make lookups slow.
    init(seed: UInt64) {
        self.seed = seed
        slots = Array(repeating: 0, count: 16)
        shift = 28
    }

    /// The reference for which `matches` is true among those with the hash of `id`.
    @inline(__always)
    func find(_ id: UInt128, where matches: (UInt32) -> Bool) -> UInt32? {
        let tag = hash(id)
        let mask = slots.count - 1
        var position = Int(tag >> shift)
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

    /// Adds a reference for an id that is not there.
    mutating func insert(_ id: UInt128, reference: UInt32) {
        precondition(count < IDTable.limit, "the ledger is full")
        if (count + 1) * 2 > slots.count { resize(to: slots.count * 2) }
        place(UInt64(hash(id)) << 32 | UInt64(reference + 1))
        count += 1
    }

    /// Takes out a reference that was inserted for this id, and closes the gap.
    mutating func remove(_ id: UInt128, reference: UInt32) {
        let mask = slots.count - 1
        let wanted = UInt64(hash(id)) << 32 | UInt64(reference + 1)
        var gap = Int(hash(id) >> shift)
        while slots[gap] != wanted {
            precondition(slots[gap] != 0, "the id is not in the table")
            gap = (gap + 1) & mask
        }
        var next = (gap + 1) & mask
        while slots[next] != 0 {
            let home = Int(UInt32(truncatingIfNeeded: slots[next] >> 32) >> shift)
            if (next - home) & mask >= (next - gap) & mask {
                slots[gap] = slots[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        slots[gap] = 0
        count -= 1
    }

    /// Makes room for `total` references at once.
    mutating func reserve(_ total: Int) {
        var size = slots.count
        while total * 2 > size { size *= 2 }
        if size > slots.count { resize(to: size) }
    }

    private mutating func resize(to size: Int) {
        let old = slots
        slots = Array(repeating: 0, count: size)
        shift = 32 - UInt32(size.trailingZeroBitCount)
        for slot in old where slot != 0 { place(slot) }
    }

    private mutating func place(_ slot: UInt64) {
        let mask = slots.count - 1
        var position = Int(UInt32(truncatingIfNeeded: slot >> 32) >> shift)
        while slots[position] != 0 { position = (position + 1) & mask }
        slots[position] = slot
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
