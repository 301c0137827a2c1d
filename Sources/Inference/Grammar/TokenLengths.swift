/// The tokens that may stand in a text in quotes, by how many of its characters they take: found by
/// one walk, whatever number of characters may follow.
struct TokenLengths {
    /// How a node's bytes end.
    enum End {
        /// Behind a character.
        case whole
        /// Within one.
        case cut
        /// Behind the quote.
        case closed
    }

    private let count: Int
    /// The tokens that take no more characters than their place says, and no quote.
    private var inside: [TokenMask]
    /// What leads to the quote.
    private var closing: [(characters: Int, tokens: [Int32], node: Int32?)] = []

    init(count: Int) {
        self.count = count
        inside = [TokenMask(count: count)]
    }

    /// Adds the tokens of a node. Nodes come in the order of the tree.
    ///
    /// - Parameter characters: how many characters end on the way to it.
    mutating func add(_ node: Int, characters: Int, _ trie: TokenTrie, _ end: End) {
        let tokens = trie.tokens(of: node)
        switch end {
        case .closed:
            let hasMore = Int(trie.ends[node]) > node + 1
            closing.append((characters, Array(tokens), hasMore ? Int32(node) : nil))
        case .whole, .cut:
            let taken = characters + (end == .cut ? 1 : 0)
            while inside.count <= taken { inside.append(TokenMask(count: count)) }
            for token in tokens { inside[taken].insert(token) }
        }
    }

    /// Each mask takes in those of fewer characters; called once, when all nodes were added.
    mutating func finish() {
        for taken in inside.indices.dropFirst() { inside[taken].formUnion(inside[taken - 1]) }
    }

    /// What may follow between characters if so many may still come.
    func found(_ left: Automaton.Count) -> TokenWalk.Found {
        let most = left.most ?? .max
        var mask = inside[min(most, inside.count - 1)]
        var returns: [Int32] = []
        for (characters, tokens, node) in closing
        where left.least <= characters && characters <= most {
            for token in tokens { mask.insert(token) }
            if let node { returns.append(node) }
        }
        return TokenWalk.Found(mask: mask, returns: returns)
    }
}
