/// States that read bytes, call other states as subroutines and return: what a constrained answer
/// must follow. Any call can be left again: states from which no end can be reached are gone.
struct Automaton: Sendable {
    typealias State = Int32

    /// Reads one byte from `low` to `high`.
    struct Read: Hashable, Sendable {
        var low, high: UInt8
        var target: State
    }

    /// Runs what starts at `start`, and goes on at `back` when that returns.
    struct Call: Hashable, Sendable {
        var start, back: State
    }

    /// What can happen in a state.
    struct Moves: Sendable {
        var reads: [Read] = []
        /// States that it is also, without reading.
        var jumps: [State] = []
        var calls: [Call] = []
        /// Whether the subroutine may return here.
        var returns = false
    }

    /// How many characters a text may still have.
    struct Count: Hashable, Sendable {
        var least: Int
        /// `nil` for any number.
        var most: Int?
    }

    /// No state may need more frames above its own to come to its return.
    static let maximumNeed = 128
    /// How many frames any answer may have beneath the state it is in.
    static let freeHeight = 128
    /// How many frames more than any state needs one token may put on top of each other.
    static let tokenHeight = 32
    /// An automaton has no more states.
    static let maximumStates = 1 << 16

    let states: [Moves]
    let start: State
    /// How many frames above its own a state needs at least to come to its return.
    let need: [Int]
    /// States between the characters of a text whose length is limited: all move as `uncounted`
    /// does, but for the number of characters until its end.
    let counted: [State: Count]
    /// The state between the characters of such a text without a limit.
    let uncounted: State?
    /// The most that any state needs.
    let deepest: Int
    /// Bytes that all states read alike have one class.
    let classes: [UInt8]
    /// The number of classes.
    let classCount: Int

    /// Keeps of `states` what can come to an end.
    ///
    /// - Throws: `impossible` if nothing that starts at `start` ends.
    init(
        _ states: [Moves], start: State, counted: [State: Count], uncounted: State?
    ) throws(SchemaError) {
        let need = Self.needs(of: states)
        guard need[Int(start)] <= Self.maximumNeed else {
            throw SchemaError(.impossible, "no value of bounded depth satisfies the schema")
        }
        func lives(_ state: State) -> Bool { need[Int(state)] <= Self.maximumNeed }
        self.states = states.map { moves in
            var kept = moves
            kept.reads.removeAll { !lives($0.target) }
            kept.jumps.removeAll { !lives($0) }
            kept.calls.removeAll { !lives($0.start) || !lives($0.back) }
            return kept
        }
        self.start = start
        self.counted = counted
        self.uncounted = uncounted
        self.need = need
        deepest = need.filter { $0 <= Self.maximumNeed }.max() ?? 0
        (classes, classCount) = Self.classes(of: self.states)
    }

    /// How many frames there may be at a time: room for all that a state needs at any height that
    /// is free.
    var maximumHeight: Int { Self.freeHeight + deepest + Self.tokenHeight }

    /// The automaton without reads of other bytes than these.
    ///
    /// - Throws: `impossible` if nothing is left.
    func limited(to bytes: Set<UInt8>) throws(SchemaError) -> Automaton {
        guard bytes.count < 256 else { return self }
        var runs: [ClosedRange<UInt8>] = []
        for byte in bytes.sorted() {
            if let last = runs.last, Int(last.upperBound) + 1 == Int(byte) {
                runs[runs.count - 1] = last.lowerBound...byte
            } else {
                runs.append(byte...byte)
            }
        }
        let kept = states.map { moves in
            var kept = moves
            kept.reads = moves.reads.flatMap { read in
                runs.filter { $0.overlaps(read.low...read.high) }.map {
                    let run = $0.clamped(to: read.low...read.high)
                    return Read(low: run.lowerBound, high: run.upperBound, target: read.target)
                }
            }
            return kept
        }
        return try Automaton(kept, start: start, counted: counted, uncounted: uncounted)
    }

    /// The least height above its own frame that each state needs to come to its return; above
    /// `maximumNeed` if it never does. O(states x heights that occur).
    private static func needs(of states: [Moves]) -> [Int] {
        // Who is to be looked at again when a state's need is known.
        var users: [[State]] = Array(repeating: [], count: states.count)
        for (place, moves) in states.enumerated() {
            let user = State(place)
            for read in moves.reads { users[Int(read.target)].append(user) }
            for target in moves.jumps { users[Int(target)].append(user) }
            for call in moves.calls {
                users[Int(call.start)].append(user)
                users[Int(call.back)].append(user)
            }
        }
        var need = Array(repeating: Int.max, count: states.count)
        func height(of state: State) -> Int {
            let moves = states[Int(state)]
            if moves.returns { return 0 }
            var least = Int.max
            for read in moves.reads { least = min(least, need[Int(read.target)]) }
            for target in moves.jumps { least = min(least, need[Int(target)]) }
            for call in moves.calls where need[Int(call.start)] < Int.max {
                least = min(least, max(need[Int(call.start)] + 1, need[Int(call.back)]))
            }
            return least
        }
        // Heights come in ascending order, so that the first one found for a state is its least.
        var waiting = states.indices.map(State.init)
        var level = 0
        while !waiting.isEmpty, level <= maximumNeed {
            var later: [State] = []
            while let state = waiting.popLast() {
                guard need[Int(state)] == Int.max else { continue }
                let height = height(of: state)
                guard height <= level else {
                    if height < Int.max { later.append(state) }
                    continue
                }
                need[Int(state)] = height
                waiting += users[Int(state)].filter { need[Int($0)] == Int.max }
            }
            waiting = later
            level += 1
        }
        return need
    }

    private static func classes(of states: [Moves]) -> ([UInt8], Int) {
        // Where a range of any state begins or ends, a new class begins.
        var begins = Array(repeating: false, count: 257)
        for moves in states {
            for read in moves.reads {
                begins[Int(read.low)] = true
                begins[Int(read.high) + 1] = true
            }
        }
        var classes: [UInt8] = [0]
        for byte in 1..<256 { classes.append(classes[byte - 1] + (begins[byte] ? 1 : 0)) }
        return (classes, Int(classes[255]) + 1)
    }
}
