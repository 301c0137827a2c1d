import Synchronization

/// Holds an answer to a format, token by token: which tokens may come next depends on the format,
/// the vocabulary and the tokens so far only, so that a verifier finds the same.
///
/// At any time some token may come: an answer that is not cut ends as a whole value.
public final class OutputConstraint: Sendable {
    /// Where an answer is.
    public struct Progress: Hashable, Sendable {
        fileprivate var stacks: StackSet

        /// Whether the answer could end here.
        public var isComplete: Bool { stacks.isComplete }
        /// Whether the answer left the format; then no token may come.
        public var isBroken: Bool { stacks.isEmpty }
    }

    /// Before the first token.
    public let start: Progress
    private let automaton: Automaton
    private let tokenizer: Tokenizer
    private let maker: Mutex<MaskMaker>

    /// Compiles a format for a vocabulary; `nil` if it allows everything.
    init?(_ format: OutputFormat, _ tokenizer: Tokenizer, _ trie: TokenTrie) throws(SchemaError) {
        guard let automaton = try format.automaton() else { return nil }
        guard !trie.endTokens.isEmpty else {
            throw SchemaError(.impossible, "the vocabulary has no token that ends an answer")
        }
        self.automaton = try automaton.limited(to: trie.singleBytes)
        self.tokenizer = tokenizer
        start = Progress(stacks: self.automaton.beginning)
        maker = Mutex(MaskMaker(self.automaton, trie))
    }

    /// Where an answer is after one more token. An end token changes nothing.
    public func progress(_ progress: Progress, after token: Int32) -> Progress {
        if tokenizer.isEnd(token) { return progress }
        var next = progress
        for byte in tokenizer.bytes(of: token) {
            next.stacks = automaton.step(next.stacks, byte, limit: automaton.maximumHeight)
        }
        return next
    }

    /// The tokens that may come next.
    public func allowed(after progress: Progress) -> TokenMask {
        maker.withLock { $0.mask(of: progress.stacks) }
    }
}

/// Compiles formats for one vocabulary and keeps the last ones.
public final class OutputConstraints: Sendable {
    private static let maximumKept = 16

    private struct Kept {
        var trie: TokenTrie?
        /// The last one used last.
        var constraints: [(format: OutputFormat, constraint: OutputConstraint)] = []
    }

    private let tokenizer: Tokenizer
    private let kept = Mutex(Kept())

    /// Compiles for this vocabulary.
    public init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
    }

    /// The constraint of a format; `nil` if it allows everything.
    ///
    /// - Throws: why the format cannot be enforced.
    public func constraint(for format: OutputFormat) throws(SchemaError) -> OutputConstraint? {
        if format == .text { return nil }
        let (trie, known) = kept.withLock { kept -> (TokenTrie?, OutputConstraint?) in
            guard let place = kept.constraints.firstIndex(where: { $0.format == format }) else {
                return (kept.trie, nil)
            }
            let entry = kept.constraints.remove(at: place)
            kept.constraints.append(entry)
            return (kept.trie, entry.constraint)
        }
        if let known { return known }
        let tree = trie ?? TokenTrie(tokenizer)
        let constraint = try OutputConstraint(format, tokenizer, tree)
        kept.withLock { kept in
            kept.trie = tree
            guard let constraint else { return }
            if kept.constraints.count == Self.maximumKept { kept.constraints.removeFirst() }
            kept.constraints.append((format, constraint))
        }
        return constraint
    }
}

extension OutputFormat {
    /// What reads the texts of this format; `nil` if all are of it.
    ///
    /// - Throws: why it cannot be enforced.
    func automaton() throws(SchemaError) -> Automaton? {
        switch self {
        case .text: nil
        case .jsonObject: try SchemaCompiler.anyObject()
        case .jsonSchema(let schema):
            try SchemaCompiler.compile(
                OrderedJSON(schema, maximumBytes: Self.maximumSchemaBytes))
        }
    }

    /// Whether a whole text is one that a constrained answer can be.
    ///
    /// - Throws: why the format cannot be enforced.
    public func accepts(_ text: some Sequence<UInt8>) throws(SchemaError) -> Bool {
        try automaton()?.accepts(text) ?? true
    }
}
