/// Pending transfers with a timeout, soonest first; those of one moment in order of creation.
///
/// A binary heap. Posted and voided transfers stay in it until they come to the top, where the
/// owner drops them, so the top is always an open one.
struct ExpiryQueue: Sendable {
    /// One timeout.
    struct Entry: Comparable, Sendable, BitwiseCopyable {
        /// Nanoseconds since the epoch.
        let expiresAt: UInt64
        /// The transfer's place in the order of creation.
        let transfer: UInt32

        static func < (left: Entry, right: Entry) -> Bool {
            (left.expiresAt, left.transfer) < (right.expiresAt, right.transfer)
        }
    }

    private var heap = ChunkedArray<Entry>()

    /// The soonest entry.
    var first: Entry? { heap.first }

    mutating func insert(_ entry: Entry) {
        var child = heap.count
        heap.append(entry)
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent] < entry { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func removeFirst() {
        let moved = heap.removeLast()
        guard !heap.isEmpty else { return }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            if moved < heap[child] { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = moved
    }

    /// How many entries `isOpen` accepts; for checking.
    func count(where isOpen: (Entry) -> Bool) -> Int {
        heap.count(where: isOpen)
    }
}
