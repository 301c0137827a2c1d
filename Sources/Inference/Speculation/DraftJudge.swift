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

    /// The rows of a window whose logits `judge` asks for first; empty if it asks for none.
    public func firstRows(of window: RingWindow) -> Range<Int> {
        let count = window.tokens.count
        let first = min(max(promptTokens - 1 - Int(window.start), 0), count)
        return first..<min(first + Self.step, count)
    }

    /// Chooses the tokens after the positions of a window that was run.
    ///
    /// - Parameter logits: the logits of each of these rows of the window; `nil` for one where they
    ///   are not finite, which throws if it is to be chosen from.
    public mutating func judge(
        _ window: RingWindow, logits: (Range<Int>) -> [[Float]?]
    ) throws(EngineError) -> Finding {
        let start = Int(window.start)
        let count = window.tokens.count
        history.truncate(output: start - promptTokens)
        history.truncate(prompt: start)
        history.append(prompt: window.tokens.prefix(max(promptTokens - start, 0)))
        var rows = firstRows(of: window)
        let first = rows.lowerBound
        var tokens: [Int32] = []
        while !rows.isEmpty {
            for (row, values) in zip(rows, logits(rows)) {
                guard let values else { throw .resultNotFinite }
                // The token at this position stands: it was certain, or guessed rightly.
                if start + row >= promptTokens { history.append(window.tokens[row]) }
                let token = sampler.sample(
                    logits: values, position: start + row + 1, after: history)
                tokens.append(token)
                expected = (start + row + 1, token)
                if row + 1 < count, window.tokens[row + 1] != token {
                    return Finding(
                        first: start + first, tokens: tokens, through: start + row + 1,
                        hasEnded: true)
                }
            }
            rows = rows.upperBound..<min(rows.upperBound + Self.step, count)
        }
        return Finding(
            first: start + first, tokens: tokens, through: start + count, hasEnded: false)
    }
}
