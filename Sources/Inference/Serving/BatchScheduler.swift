/// Decides what a stage runs in its next pass, for sequences that come and go: token-budget
/// continuous batching with chunked prefill. A value that computes nothing.
///
/// A pass has room for some positions. Sequences with few positions to run (a decoded token, a
/// window of guesses) go first, those that waited longest before others; what is left goes to
/// prompts, cut where the room ends. Prompts take turns, and while any waits, a share of the room
/// is theirs. So each sequence moves within a bounded number of passes, whatever the others do.
public struct BatchScheduler<ID: Hashable & Sendable>: Sendable {
    /// A sequence's share of a pass.
    public struct Share: Hashable, Sendable {
        /// The sequence.
        public let id: ID
        /// How many of its next positions run.
        public let positions: Int
    }

    /// The most positions of a pass; the kernels read each weight once for as many as 64.
    public let passPositions: Int
    /// The most positions that go before prompts.
    private let decodePositions: Int
    /// Positions of each pass that are kept for prompts while any waits.
    private let prefillPositions: Int
    /// Who has positions to run, the longest waiting first.
    private var queue: [Share] = []

    /// A scheduler of passes with room for `passPositions`, at least 4.
    public init(passPositions: Int = 64) {
        precondition(passPositions >= 4, "a pass has room for at least four positions")
        self.passPositions = passPositions
        decodePositions = max(passPositions / 8, 1)
        prefillPositions = passPositions / 4
    }

    /// Whether nothing is to be run.
    public var isEmpty: Bool { queue.isEmpty }

    /// A sequence has `positions` to run now, at least one; it keeps its place if it waits already.
    public mutating func set(_ id: ID, positions: Int) {
        precondition(positions > 0, "a sequence that waits has positions to run")
        let share = Share(id: id, positions: positions)
        if let index = queue.firstIndex(where: { $0.id == id }) {
            queue[index] = share
        } else {
            queue.append(share)
        }
    }

    /// A sequence ended or was given up.
    public mutating func remove(_ id: ID) {
        queue.removeAll { $0.id == id }
    }

    /// What runs now, each sequence at most once; what is left of a sequence waits on. O(n^2) for
    /// n sequences that wait.
    public mutating func next() -> [Share] {
        var room = passPositions
        var pass: [Share] = []
        var served: [Share] = []
        func isDecode(_ share: Share) -> Bool { share.positions <= decodePositions }
        let kept = queue.allSatisfy(isDecode) ? 0 : prefillPositions
        for (isFirst, reserve) in [(true, kept), (false, 0)] {
            for share in queue where isDecode(share) == isFirst && room > reserve {
                let count = min(share.positions, room - reserve)
                room -= count
                pass.append(Share(id: share.id, positions: count))
                served.append(Share(id: share.id, positions: share.positions - count))
            }
        }
        queue.removeAll { share in pass.contains { $0.id == share.id } }
        queue += served.filter { $0.positions > 0 }
        return pass
    }
}
