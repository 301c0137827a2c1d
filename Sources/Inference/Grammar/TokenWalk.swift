/// Walks over the tree of tokens from single states, with nothing known of what is beneath them.
struct TokenWalk {
    typealias State = Automaton.State
    /// A set of stacks that was met.
    private typealias Number = Int32

    /// What follows one state whatever is beneath it.
    struct Found {
        var mask: TokenMask
        /// Nodes to which bytes lead that return, with more tokens below.
        var returns: [Int32]
    }

    private static let maximumFound = 256
    private static let unknown: Number = -2
    private static let nothing: Number = -1

    private let automaton: Automaton
    private let limit: Int
    private var sets: [StackSet] = []
    private var numbers: [StackSet: Number] = [:]
    /// Which set comes after each set and class of bytes.
    private var table: [Number] = []
    private var entries: [State: Number] = [:]
    private var found: [State: Found] = [:]
    /// Whether the automaton may return in each set.
    private var completes: [Bool] = []
    private var lengths: TokenLengths?

    init(_ automaton: Automaton, limit: Int) {
        self.automaton = automaton
        self.limit = limit
    }

    /// How much is kept.
    var size: Int { sets.count }

    /// What may follow a state that reads.
    mutating func found(from state: State, _ trie: TokenTrie) -> Found {
        if let known = found[state] { return known }
        if found.count >= Self.maximumFound { found = [:] }
        let result: Found
        if let count = automaton.counted[state], let uncounted = automaton.uncounted {
            let lengths = self.lengths ?? lengths(of: uncounted, trie)
            self.lengths = lengths
            result = lengths.found(count)
        } else {
            var mask = TokenMask(count: trie.count)
            let start = number(of: StackSet(top: state))
            let returns = walk(below: 0, from: start, trie, into: &mask) { _, _ in }
            result = Found(mask: mask, returns: returns)
        }
        found[state] = result
        return result
    }

    /// Adds the tokens below a node that may follow a state to which the automaton returned there.
    mutating func walk(
        below node: Int32, at state: State, _ trie: TokenTrie, into mask: inout TokenMask
    ) -> [Int32] {
        let start: Number
        if let known = entries[state] {
            start = known
        } else {
            start = number(
                of: automaton.closure(of: [(stack: [][...], state: state)], limit: limit))
            entries[state] = start
        }
        let returns = walk(below: node, from: start, trie, into: &mask) { _, _ in }
        return completes[Int(start)] ? [node] + returns : returns
    }

    /// How many characters of a text the tokens have that may stand in one.
    private mutating func lengths(of state: State, _ trie: TokenTrie) -> TokenLengths {
        var lengths = TokenLengths(count: trie.count)
        var mask = TokenMask(count: trie.count)
        let start = number(of: StackSet(top: state))
        var visited: [(node: Int, number: Number)] = []
        _ = walk(below: 0, from: start, trie, into: &mask) { visited.append(($0, $1)) }
        // Characters that have ended at each depth of the path.
        var ended = [0]
        for (node, number) in visited {
            let depth = Int(trie.depths[node])
            ended.removeLast(ended.count - depth)
            ended.append(ended[depth - 1] + (number == start ? 1 : 0))
            lengths.add(
                node, characters: ended[depth], trie,
                completes[Int(number)] ? .closed : number == start ? .whole : .cut)
        }
        lengths.finish()
        return lengths
    }

    /// Adds the tokens of all nodes below one that can be reached; returns those where the
    /// automaton may return that have nodes below.
    ///
    /// - Parameter visit: called with each such node and the number of its set.
    @inline(__always)
    private mutating func walk(
        below node: Int32, from start: Number, _ trie: TokenTrie, into mask: inout TokenMask,
        _ visit: (Int, Number) -> Void
    ) -> [Int32] {
        var returns: [Int32] = []
        let depth = Int(trie.depths[Int(node)])
        var path = [start]
        var here = Int(node) + 1
        let end = Int(trie.ends[Int(node)])
        while here < end {
            let level = Int(trie.depths[here]) - depth
            let next = step(path[level - 1], trie.bytes[here])
            guard next != Self.nothing else {
                here = Int(trie.ends[here])
                continue
            }
            if level < path.count { path[level] = next } else { path.append(next) }
            for place in trie.firsts[here]..<trie.firsts[here + 1] {
                mask.insert(trie.tokens[Int(place)])
            }
            visit(here, next)
            if completes[Int(next)], Int(trie.ends[here]) > here + 1 {
                returns.append(Int32(here))
            }
            here += 1
        }
        return returns
    }

    private mutating func step(_ number: Number, _ byte: UInt8) -> Number {
        let place = Int(number) * automaton.classCount + Int(automaton.classes[Int(byte)])
        let known = table[place]
        if known != Self.unknown { return known }
        let next = automaton.step(sets[Int(number)], byte, limit: limit)
        let result = next.isEmpty ? Self.nothing : self.number(of: next)
        table[place] = result
        return result
    }

    private mutating func number(of set: StackSet) -> Number {
        if let known = numbers[set] { return known }
        let number = Number(sets.count)
        sets.append(set)
        completes.append(set.isComplete)
        numbers[set] = number
        table += Array(repeating: Self.unknown, count: automaton.classCount)
        return number
    }
}
