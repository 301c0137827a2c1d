/// Which tokens stand in a sequence so far, and how often: what penalties count; and where the
/// answer is in its format. Kept only for parameters that ask for it.
///
/// The first tokens are the prompt. Tokens can be taken back from the end, as a rewound session
/// takes back its positions, so that a choice depends on exactly the tokens before it.
public struct TokenHistory: Sendable {
    /// How often a token occurs.
    struct Count: Hashable, Sendable {
        var (prompt, output) = (0, 0)
    }

    private let countsPrompt: Bool
    private let countsOutput: Bool
    private var prompt: [Int32] = []
    private var output: [Int32] = []
    private var counts: [Int32: Count] = [:]
    private let constraint: OutputConstraint?
    /// Where the answer is in its format before each of its tokens, and now; empty if it has none.
    private var places: [OutputConstraint.Progress]

    /// Nothing so far, in a sequence whose tokens these parameters choose.
    ///
    /// - Parameter constraint: what the answer is held to: the sampler's.
    public init(for parameters: SamplingParameters, constraint: OutputConstraint? = nil) {
        countsPrompt = parameters.countsPrompt
        countsOutput = parameters.countsOutput
        self.constraint = constraint
        places = constraint.map { [$0.start] } ?? []
    }

    /// Where the answer is in its format; `nil` if it has none.
    var progress: OutputConstraint.Progress? { places.last }

    /// A prompt and nothing chosen yet.
    public init(
        for parameters: SamplingParameters, constraint: OutputConstraint? = nil,
        prompt: some Sequence<Int32>
    ) {
        self.init(for: parameters, constraint: constraint)
        append(prompt: prompt)
    }

    /// More of the prompt, before anything was chosen.
    public mutating func append(prompt tokens: some Sequence<Int32>) {
        guard countsPrompt else { return }
        for token in tokens {
            prompt.append(token)
            counts[token, default: Count()].prompt += 1
        }
    }

    /// A token was chosen.
    public mutating func append(_ token: Int32) {
        if let constraint, let last = places.last {
            places.append(constraint.progress(last, after: token))
        }
        guard countsOutput else { return }
        output.append(token)
        counts[token, default: Count()].output += 1
    }

    /// Takes back all chosen tokens but the first `count`.
    public mutating func truncate(output count: Int) {
        let surplus = places.count - 1 - max(count, 0)
        if surplus > 0 { places.removeLast(surplus) }
        while output.count > max(count, 0), let token = output.popLast() {
            counts[token]?.output -= 1
            forget(token)
        }
    }

    /// Takes back all of the prompt but its first `count` tokens. Nothing may have been chosen.
    public mutating func truncate(prompt count: Int) {
        while prompt.count > max(count, 0), let token = prompt.popLast() {
            counts[token]?.prompt -= 1
            forget(token)
        }
    }

    private mutating func forget(_ token: Int32) {
        if counts[token] == Count() { counts[token] = nil }
    }

    /// Calls `body` once for each token that occurs, in no particular order.
    func forEach(_ body: (Int32, Count) -> Void) {
        for (token, count) in counts { body(token, count) }
    }
}
