/// Sorts places by a 32-bit key, equal keys in the order they came: least significant digits first,
/// 11 bits at a time, and only as many digits as the largest key has. O(n) a digit, nothing is
/// allocated.
struct RadixSort: Sendable {
    private var keys: Column<UInt32>
    private var otherKeys: Column<UInt32>
    private var otherPlaces: Column<Int32>
    private var counts = Column<Int32>(1 << 11, 0)

    /// A sorter of at most `capacity` places.
    init(capacity: Int) {
        keys = Column(capacity, 0)
        otherKeys = Column(capacity, 0)
        otherPlaces = Column(capacity, 0)
    }

    mutating func visit(_ visitor: inout some ColumnVisitor) {
        visitor.visit(&keys)
        visitor.visit(&otherKeys)
        visitor.visit(&otherPlaces)
        visitor.visit(&counts)
    }

    /// Sorts the first `count` of `places`, ascending by `key`.
    func sort(_ places: Column<Int32>, count: Int, key: (Int) -> UInt32) {
        var largest: UInt32 = 0
        for rank in 0..<count {
            let value = key(Int(places[rank]))
            keys[rank] = value
            largest = max(largest, value)
        }
        var shift: UInt32 = 0
        var isSwapped = false
        while shift < 32, largest >> shift != 0 {
            if isSwapped {
                pass(otherKeys, otherPlaces, keys, places, count, shift)
            } else {
                pass(keys, places, otherKeys, otherPlaces, count, shift)
            }
            isSwapped.toggle()
            shift += 11
        }
        if isSwapped { for rank in 0..<count { places[rank] = otherPlaces[rank] } }
    }

    private func pass(
        _ keys: Column<UInt32>, _ places: Column<Int32>, _ toKeys: Column<UInt32>,
        _ toPlaces: Column<Int32>, _ count: Int, _ shift: UInt32
    ) {
        let mask: UInt32 = 1 << 11 - 1
        counts.fill(0)
        for rank in 0..<count { counts[Int(keys[rank] >> shift & mask)] += 1 }
        var sum: Int32 = 0
        for digit in 0...Int(mask) {
            let here = counts[digit]
            counts[digit] = sum
            sum += here
        }
        for rank in 0..<count {
            let digit = Int(keys[rank] >> shift & mask)
            let target = Int(counts[digit])
            counts[digit] += 1
            toKeys[target] = keys[rank]
            toPlaces[target] = places[rank]
        }
    }
}
