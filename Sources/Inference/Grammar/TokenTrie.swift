/// The bytes of all tokens of a vocabulary as a tree in which tokens that begin alike share nodes,
/// laid out in the order in which it is walked.
struct TokenTrie: Sendable {
    /// The byte that leads to each node; node 0 is the root.
    private(set) var bytes: [UInt8] = [0]
    /// The first node that is not below each node.
    private(set) var ends: [Int32] = [1]
    /// How many bytes lead to each node.
    private(set) var depths: [Int32] = [0]
    /// Where each node's tokens begin in `tokens`; one more at the end.
    private(set) var firsts: [Int32] = [0, 0]
    /// The tokens in the order of their nodes: several can have the same bytes.
    private(set) var tokens: [Int32] = []
    /// How many tokens the vocabulary has.
    let count: Int
    /// The tokens that end an answer.
    let endTokens: [Int32]

    /// The tokens whose bytes lead to a node.
    func tokens(of node: Int) -> ArraySlice<Int32> {
        tokens[Int(firsts[node])..<Int(firsts[node + 1])]
    }

    /// The bytes that are tokens by themselves.
    var singleBytes: Set<UInt8> {
        Set(
            bytes.indices.filter { depths[$0] == 1 && firsts[$0] < firsts[$0 + 1] }.map {
                bytes[$0]
            })
    }

    /// The tree of all tokens that stand for text. O(bytes log tokens).
    init(_ tokenizer: Tokenizer) {
        count = tokenizer.count
        let all = 0..<Int32(tokenizer.count)
        endTokens = all.filter(tokenizer.isEnd)
        let texts: [(bytes: [UInt8], token: Int32)] = all.compactMap { token in
            let kind = tokenizer.kind(token)
            guard kind == .normal || kind == .byte || kind == .userDefined else { return nil }
            let bytes = tokenizer.bytes(of: token)
            return bytes.isEmpty || tokenizer.isEnd(token) ? nil : (bytes, token)
        }.sorted { left, right in
            left.bytes == right.bytes
                ? left.token < right.token : left.bytes.lexicographicallyPrecedes(right.bytes)
        }
        // The nodes from the root to the last one, which are not closed yet.
        var path: [Int] = [0]
        var previous: [UInt8] = []
        for (text, token) in texts {
            let shared = zip(text, previous).prefix { $0 == $1 }.count
            while path.count > shared + 1 { ends[path.removeLast()] = Int32(bytes.count) }
            for byte in text[shared...] {
                path.append(bytes.count)
                bytes.append(byte)
                depths.append(Int32(path.count - 1))
                ends.append(0)
                firsts.append(Int32(tokens.count))
            }
            tokens.append(token)
            firsts[firsts.count - 1] = Int32(tokens.count)
            previous = text
        }
        for node in path { ends[node] = Int32(bytes.count) }
    }
}
