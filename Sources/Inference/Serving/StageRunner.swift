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
    /// The hash of the logits that each sampled token was chosen from; last stage only.
    public private(set) var logitsHashes: [Digest] = []
    private let session: StageSession
    private let sampler: Sampler
    private let sampling: Digest

    /// Prepares memory for `capacity` positions: the prompt and all output but the last token.
    public init(
        stage: Stage, promptTokens: Int, capacity: Int, sampling: SamplingParameters
    ) throws(EngineError) {
        if promptTokens < 1 { throw .emptyInput }
        guard promptTokens <= capacity else {
            throw .tooManyPositions(capacity: capacity, needed: promptTokens)
        }
        self.stage = stage
        self.promptTokens = promptTokens
        sampler = try Sampler(sampling)
        self.sampling = SHA256.hash(sampling.canonicalBytes())
        session = try stage.makeSession(capacity: capacity)
    }

    /// How many positions have been run.
    public var positions: Int { session.position }

    /// How many positions there is room for.
    public var capacity: Int { session.capacity }

    /// Runs `tokens` at the next positions. Only on the first stage.
    public mutating func run(tokens: [Int32]) throws(EngineError) -> StageOutput {
        let rows = try session.run(tokens: tokens)
        for token in tokens { transcript.receive(token: token) }
        return try finish(rows, count: tokens.count)
    }

    /// Runs rows of the stage before at the next positions. Not on the first stage.
    public mutating func run(activations: [Float]) throws(EngineError) -> StageOutput {
        let hidden = stage.model.architecture.hidden
        let count = activations.count / hidden
        let rows = try session.run(activations: activations, count: count)
        for row in 0..<count {
            transcript.receive(row: activations[row * hidden..<(row + 1) * hidden])
        }
        return try finish(rows, count: count)
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
    }

    private mutating func finish(
        _ rows: [Float], count: Int
    ) throws(EngineError) -> StageOutput {
        let hidden = stage.model.architecture.hidden
        guard stage.isLast else {
            for row in 0..<count { transcript.send(row: rows[row * hidden..<(row + 1) * hidden]) }
            return .activations(rows)
        }
        let start = positions - count
        let first = max(start, promptTokens - 1)
        for _ in start..<min(first, positions) { transcript.passUnsampled() }
        guard first < positions else { return .nothing }
        var tokens: [Int32] = []
        for position in first..<positions {
            let row = position - start
            let logits = try stage.logits(of: Array(rows[row * hidden..<(row + 1) * hidden]))
            let token = sampler.sample(logits: logits, position: position + 1)
            let hash = Transcript.hash(logits: logits[...])
            transcript.sample(token: token, logits: hash, sampling: sampling)
            logitsHashes.append(hash)
            tokens.append(token)
        }
        return .sampled(first: first, tokens)
    }
}
