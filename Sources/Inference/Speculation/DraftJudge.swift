public import Primitives

/// Judges guesses on the last stage of a ring. A guess is right exactly if it is the token that is
/// chosen there anyway: what comes out is the same with guesses and without, at any temperature,
/// because a choice depends on nothing but the logits, the seed, the position and the tokens before
/// it, which are those that stand: of a window, those up to the position itself.
public struct DraftJudge: Sendable {
    /// What stands of a window.
    public struct Finding: Hashable, Sendable {
        /// The position before that of the first token.
        public let first: Int
        /// The tokens chosen, the last of them at the first wrong guess if there was one.
        public let tokens: [Int32]
        /// Positions from here on are void.
        public let through: Int
        /// Whether a guess was wrong: nothing more of the epoch is worth running.
        public let hasEnded: Bool
    }

    /// Tokens in the prompt.
    public let promptTokens: Int
    private let sampler: Sampler
    private var history: TokenHistory
    /// The token chosen for the next position, and that position.
    private var expected: (position: Int, token: Int32)?

    /// How many rows' logits are computed before guesses are compared.
    private static let step = 8

    /// A judge for one request; throws if a parameter is out of its range, or the format of the
    /// answer cannot be enforced.
    ///
    /// - Parameter constraints: what compiles formats for the model's vocabulary; without it, only
    ///   text can be chosen.
    public init(
        promptTokens: Int, sampling: SamplingParameters, constraints: OutputConstraints? = nil
    ) throws(EngineError) {
        if promptTokens < 1 { throw .emptyInput }
        self.promptTokens = promptTokens
        sampler = try Sampler(sampling, constraints: constraints)
        history = TokenHistory(for: sampling, constraint: sampler.constraint)
    }

    /// Whether a window is worth running: not if its first token is a wrong guess. `continues` says
    /// that its epoch goes on; what a new epoch starts with is taken as it comes.
    public func admits(_ window: RingWindow, continues: Bool) -> Bool {
        guard continues, let expected, expected.position == Int(window.start) else { return true }
        return window.tokens.first == expected.token
    }

    /// Chooses the tokens after the positions of a window that was run.
    ///
    /// - Parameter logits: the logits of these rows of the window, one after the other.
    public mutating func judge(
        _ window: RingWindow, logits: (Range<Int>) throws(EngineError) -> [Float]
    ) throws(EngineError) -> Finding {
        let start = Int(window.start)
        let count = window.tokens.count
        let skipped = min(max(promptTokens - 1 - start, 0), count)
        history.truncate(output: start - promptTokens)
        history.truncate(prompt: start)
        history.append(prompt: window.tokens.prefix(max(promptTokens - start, 0)))
        var tokens: [Int32] = []
        var row = skipped
        while row < count {
            let rows = row..<min(row + Self.step, count)
            let values = try logits(rows)
            let width = values.count / rows.count
            for index in rows {
                let offset = (index - row) * width
                // The token at this position stands: it was certain, or guessed rightly.
                if start + index >= promptTokens { history.append(window.tokens[index]) }
                let token = sampler.sample(
                    logits: Array(values[offset..<offset + width]), position: start + index + 1,
                    after: history)
                tokens.append(token)
                expected = (start + index + 1, token)
                if index + 1 < count, window.tokens[index + 1] != token {
                    return Finding(
                        first: start + skipped, tokens: tokens, through: start + index + 1,
                        hasEnded: true)
                }
            }
            row = rows.upperBound
        }
        return Finding(
            first: start + skipped, tokens: tokens, through: start + count, hasEnded: false)
    }
}
