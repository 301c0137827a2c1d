/// Finds which tokens may follow, and keeps what it found: a token's bytes are read once for each
/// state and not for each stack.
///
/// The states that a token's bytes lead to depend on the state on top of a stack only, until the
/// automaton returns to the state beneath. So the tree of tokens is walked once for each top state
/// that occurs, as if there were nothing beneath it; where it returns, the few tokens that go on
/// from there are walked again with what is beneath. (XGrammar, Dong et al., 2024, has
/// context-independent tokens for the same reason.) What is kept never decides what is found.
struct MaskMaker {
    private typealias State = Automaton.State

    private static let maximumMasks = 256
    private static let maximumSets = 1 << 14

    private let automaton: Automaton
    private let trie: TokenTrie
    /// Walks by how many frames they may put on top of each other.
    private var walks: [Int: TokenWalk] = [:]
    private var masks: [StackSet: TokenMask] = [:]

    init(_ automaton: Automaton, _ trie: TokenTrie) {
        self.automaton = automaton
        self.trie = trie
    }

    /// The tokens of which every byte can be read, and the end tokens if nothing is missing.
    mutating func mask(of set: StackSet) -> TokenMask {
        if let known = masks[set] { return known }
        if masks.count >= Self.maximumMasks { masks = [:] }
        if walks.values.reduce(0, { $0 + $1.size }) > Self.maximumSets { walks = [:] }
        var mask = TokenMask(count: trie.count)
        for stack in set.stacks {
            guard let top = stack.last else { continue }
            let below = stack.dropLast()
            let found = walk(at: below.count) { [trie] in $0.found(from: top, trie) }
            mask.formUnion(found.mask)
            for node in found.returns { goOn(from: node, below, into: &mask) }
        }
        if set.isComplete {
            for token in trie.endTokens { mask.insert(token) }
        }
        masks[set] = mask
        return mask
    }

    /// Goes on below a node of the tree, at the state on top of `below`.
    private mutating func goOn(
        from node: Int32, _ below: ArraySlice<State>, into mask: inout TokenMask
    ) {
        guard let state = below.last else { return }
        let rest = below.dropLast()
        let returns = walk(at: rest.count) { [trie] in
            $0.walk(below: node, at: state, trie, into: &mask)
        }
        for node in returns { goOn(from: node, rest, into: &mask) }
    }

    /// Walks with as many frames beneath.
    private mutating func walk<Result>(
        at height: Int, _ body: (inout TokenWalk) -> Result
    ) -> Result {
        let limit = min(
            automaton.deepest + Automaton.tokenHeight, automaton.maximumHeight - height)
        return body(&walks[limit, default: TokenWalk(automaton, limit: limit)])
    }
}
