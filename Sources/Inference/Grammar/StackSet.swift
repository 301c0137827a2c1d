/// Where an automaton is: all ways to have read the bytes so far, each as the stack of states that
/// it returns to with its own state on top.
struct StackSet: Hashable, Sendable {
    typealias State = Automaton.State

    /// In ascending order, each once; every one can go on to an end.
    fileprivate(set) var stacks: [[State]] = []
    /// Whether what was read is complete.
    fileprivate(set) var isComplete = false

    /// More ways than this are forgotten, the last in their order first: what is then written
    /// still fits, and no schema makes a step slow.
    static let maximumStacks = 256

    /// Nothing that fits.
    init() {}

    /// One state with nothing known of what is beneath.
    init(top state: State) { stacks = [[state]] }

    /// Whether nothing was read that fits.
    var isEmpty: Bool { stacks.isEmpty && !isComplete }
}

extension Automaton {
    /// Before anything is read.
    var beginning: StackSet { closure(of: [(stack: [][...], state: start)], limit: maximumHeight) }

    /// After one more byte. No way is taken that has more than `limit` frames or needs more.
    func step(_ set: StackSet, _ byte: UInt8, limit: Int) -> StackSet {
        var moves: [(stack: ArraySlice<State>, state: State)] = []
        for stack in set.stacks {
            guard let state = stack.last else { continue }
            for read in states[Int(state)].reads where read.low <= byte && byte <= read.high {
                moves.append((stack.dropLast(), read.target))
            }
        }
        return moves.isEmpty ? StackSet() : closure(of: moves, limit: limit)
    }

    /// All that is true when states are reached on their stacks.
    func closure(of moves: [(stack: ArraySlice<State>, state: State)], limit: Int) -> StackSet {
        var found: Set<[State]> = []
        var result = StackSet()
        var waiting = moves.map { Array($0.stack) + [$0.state] }
        while var stack = waiting.popLast() {
            let state = Int(stack[stack.count - 1])
            guard stack.count - 1 + need[state] <= limit, found.insert(stack).inserted else {
                continue
            }
            let moves = states[state]
            if !moves.reads.isEmpty { result.stacks.append(stack) }
            stack.removeLast()
            for target in moves.jumps { waiting.append(stack + [target]) }
            for call in moves.calls where stack.count + need[Int(call.back)] <= limit {
                waiting.append(stack + [call.back, call.start])
            }
            guard moves.returns else { continue }
            if stack.isEmpty { result.isComplete = true } else { waiting.append(stack) }
        }
        result.stacks.sort { $0.lexicographicallyPrecedes($1) }
        if result.stacks.count > StackSet.maximumStacks {
            result.stacks.removeLast(result.stacks.count - StackSet.maximumStacks)
        }
        return result
    }

    /// Whether a whole text is read to its end.
    func accepts(_ text: some Sequence<UInt8>) -> Bool {
        var set = beginning
        for byte in text where !set.isEmpty { set = step(set, byte, limit: maximumHeight) }
        return set.isComplete
    }
}
