import Cryptography
public import Primitives
public import Verification

/// What comes out of a stage for a run of positions.
public enum StageOutput: Hashable, Sendable {
    /// `hidden` floats for each position: what the next stage takes.
    case activations([Float])
    /// The last stage passed positions of the prompt whose next tokens are known.
    case nothing
    /// The last stage chose these tokens, the first of them at position `first`.
    case sampled(first: Int, [Int32])
}

/// One stage's work on one job: tokens or activations in, activations or tokens out, and a
/// transcript of both. Serving and re-execution run this same code, so that what a node signs and
/// what a judge recomputes can only differ in the weights.
///
/// Not bound to how positions arrive: any chunking gives the same outputs and roots. After an
/// error the work is of no more use.
public struct StageRunner: Sendable {
    /// The stage that computes.
    public let stage: Stage
    /// Tokens in the job's prompt, at least 1.
    public let promptTokens: Int
    /// What came in and went out.
    public private(set) var transcript = Transcript()
    /// `Transcript.hash` of what each sampled token was chosen from; last stage only.
    public private(set) var logitsHashes: [Digest] = []
    /// What the model thought of each token that the last run chose; only if it was asked for.
    ///
    /// Not part of the transcript: that commits to the logits, from which anybody who runs the
    /// position again gets the same numbers.
    public private(set) var scores: [PositionScore] = []
    private let session: StageSession
    private let sampler: Sampler
    private let sampling: Digest
    private let top: Int?
    private var history: TokenHistory

    /// Prepares memory for `capacity` positions: the prompt and all output but the last token.
    ///
    /// - Parameters:
    ///   - prompt: the tokens that occur in the prompt, in any order; looked at only on the last
    ///     stage and if the parameters count them, and then to be those of their `promptHash`.
    ///   - scores: how many of the most likely tokens to give the log probabilities of, beside
    ///     the chosen one; `nil` for none at all, which costs nothing.
    ///   - scope: with whom pages are shared if both begin alike; `nil` for nobody.
    public init(
        stage: Stage, promptTokens: Int, capacity: Int, sampling: SamplingParameters,
        prompt: [Int32] = [], scores top: Int? = nil, scope: PrefixScope? = nil
    ) throws(EngineError) {
        if promptTokens < 1 { throw .emptyInput }
        guard promptTokens <= capacity else {
            throw .tooManyPositions(capacity: capacity, needed: promptTokens)
        }
        self.stage = stage
        self.promptTokens = promptTokens
        if stage.isLast, sampling.countsPrompt {
            let hash = SamplingParameters.promptHash(of: prompt)
            guard !prompt.isEmpty, sampling.promptHash ?? hash == hash else {
                throw .invalidParameter("prompt")
            }
        }
        self.top = top
        sampler = try Sampler(sampling, constraints: stage.model.constraints)
        history = TokenHistory(
            for: sampling, constraint: sampler.constraint, prompt: prompt)
        self.sampling = SHA256.hash(sampling.canonicalBytes())
        session = try stage.makeSession(capacity: capacity, scope: scope)
    }

    /// How many positions have been run.
    public var positions: Int { session.position }

    /// How many positions there is room for.
    public var capacity: Int { session.capacity }

    /// Runs `tokens` at the next positions. Only on the first stage.
    public mutating func run(tokens: [Int32]) throws(EngineError) -> StageOutput {
        try run(.tokens(tokens))
    }

    /// Runs rows of the stage before at the next positions. Not on the first stage.
    public mutating func run(activations: [Float]) throws(EngineError) -> StageOutput {
        try run(.activations(activations))
    }

    /// Forgets every position from `position` on, and what was said about them: what comes next is
    /// as if they had never been.
    public mutating func rewind(to position: Int) throws(EngineError) {
        try session.truncate(to: position)
        transcript.truncate(to: position)
        let sampled = max(position - promptTokens + 1, 0)
        if sampled < logitsHashes.count {
            logitsHashes.removeLast(logitsHashes.count - sampled)
        }
        history.truncate(output: sampled)
    }

    private mutating func run(_ input: PassInput) throws(EngineError) -> StageOutput {
        try take(Self.pass([input], of: [self])[0])
    }

    /// What a pass gave one job.
    public struct PassOutput: Sendable {
        let input: PassInput
        let rows: Result<[Float], EngineError>
        /// Of the positions whose next token is to be chosen; last stage only.
        let logits: ArraySlice<[Float]?>
    }

    /// Runs the next positions of several jobs on one stage in one pass: the same bytes as one
    /// after the other. Each job then takes what is its own, and an error of one does not touch
    /// the others.
    ///
    /// - Parameters:
    ///   - inputs: what each job takes next.
    ///   - runners: the jobs, all on one stage. Held no longer than the pass, so that `take` does
    ///     not copy what they have grown to.
    public static func pass(_ inputs: [PassInput], of runners: [StageRunner]) -> [PassOutput] {
        precondition(inputs.count == runners.count, "an input for each job")
        guard let stage = runners.first?.stage else { return [] }
        let results = stage.run(zip(runners, inputs).map { StageWork($0.session, $1) })
        var chosen: [Float] = []
        let counts = zip(runners, results).map { runner, result in
            guard stage.isLast, case .success(let rows) = result else { return 0 }
            let floats = runner.sampledFloats(of: rows)
            chosen += rows.suffix(floats)
            return floats / stage.model.architecture.hidden
        }
        var logits = stage.logitRows(of: chosen)[...]
        return inputs.indices.map { index in
            defer { logits = logits.dropFirst(counts[index]) }
            return PassOutput(
                input: inputs[index], rows: results[index], logits: logits.prefix(counts[index]))
        }
    }

    /// Takes what this job's share of a pass gave.
    public mutating func take(_ output: PassOutput) throws(EngineError) -> StageOutput {
        let rows = try output.rows.get()
        receive(output.input)
        return stage.isLast ? try sample(output.logits, rows: rows) : send(rows)
    }

    private mutating func receive(_ input: PassInput) {
        switch input {
        case .tokens(let tokens):
            for token in tokens { transcript.receive(token: token) }
        case .activations(let rows):
            let hidden = stage.model.architecture.hidden
            for start in stride(from: 0, to: rows.count, by: hidden) {
                transcript.receive(row: rows[start..<start + hidden])
            }
        }
    }

    private mutating func send(_ rows: [Float]) -> StageOutput {
        let hidden = stage.model.architecture.hidden
        for start in stride(from: 0, to: rows.count, by: hidden) {
            transcript.send(row: rows[start..<start + hidden])
        }
        return .activations(rows)
    }

    /// How many of the last floats of `rows`, which end at this position, belong to positions whose
    /// next token is to be chosen.
    private func sampledFloats(of rows: [Float]) -> Int {
        let hidden = stage.model.architecture.hidden
        return min(rows.count, max(positions - promptTokens + 1, 0) * hidden)
    }

    private mutating func sample(
        _ logits: ArraySlice<[Float]?>, rows: [Float]
    ) throws(EngineError) -> StageOutput {
        let hidden = stage.model.architecture.hidden
        for _ in logits.count..<rows.count / hidden { transcript.passUnsampled() }
        scores = []
        if logits.isEmpty { return .nothing }
        let first = positions - logits.count
        var tokens: [Int32] = []
        for (index, logits) in logits.enumerated() {
            guard let logits else { throw .resultNotFinite }
            let token = sampler.sample(
                logits: logits, position: first + index + 1, after: history)
            history.append(token)
            if let top { scores.append(LogProbabilities(logits: logits).score(token, top: top)) }
            let row = rows.dropLast((positions - first - index - 1) * hidden).suffix(hidden)
            let hash = Transcript.hash(row: row, logits: logits[...])
            transcript.sample(token: token, logits: hash, sampling: sampling)
            logitsHashes.append(hash)
            tokens.append(token)
        }
        return .sampled(first: first, tokens)
    }
}
