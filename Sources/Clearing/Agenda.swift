import Primitives

/// Something that becomes due by itself.
enum Due: Hashable, Sendable {
    /// A job's challenge window ends.
    case window(JobID)
    /// A verifier's time for an audit ends.
    case audit(JobID)
    /// A job ran too long.
    case timeout(JobID)
    /// The appeal window of a verdict ends.
    case appeal(VerdictID)
    /// An offer runs out.
    case offer(OfferID)

    /// A total order among things due at the same time: kind, then number.
    var rank: (UInt8, UInt64) {
        switch self {
        case .window(let id): (0, id.rawValue)
        case .audit(let id): (1, id.rawValue)
        case .timeout(let id): (2, id.rawValue)
        case .appeal(let id): (3, id.rawValue)
        case .offer(let id): (4, id.rawValue)
        }
    }
}

/// What is due when, as a binary heap. An entry is a reminder, not a fact: whoever takes it checks
/// the record again, so an entry that lost its meaning does nothing. O(log n).
struct Agenda: Sendable {
    struct Entry: Sendable {
        let time: Timestamp
        let due: Due

        static func precedes(_ left: Entry, _ right: Entry) -> Bool {
            (left.time.nanoseconds, left.due.rank.0, left.due.rank.1)
                < (right.time.nanoseconds, right.due.rank.0, right.due.rank.1)
        }
    }

    private(set) var heap: [Entry] = []

    /// The next entry.
    var first: Entry? { heap.first }

    /// All entries in the order they fall due: for the state's encoding.
    var sorted: [Entry] { heap.sorted(by: Entry.precedes) }

    mutating func add(_ due: Due, at time: Timestamp) {
        heap.append(Entry(time: time, due: due))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Entry.precedes(heap[child], heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes the next entry that is due at `time`.
    mutating func take(dueAt time: Timestamp) -> Due? {
        guard let first = heap.first, first.time <= time else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first.due }
        heap[0] = last
        var parent = 0
        while 2 * parent + 1 < heap.count {
            var least = 2 * parent + 1
            if least + 1 < heap.count, Entry.precedes(heap[least + 1], heap[least]) { least += 1 }
            guard Entry.precedes(heap[least], heap[parent]) else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return first.due
    }
}
