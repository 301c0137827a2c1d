import Primitives

/// Why an answer ended.
public enum FinishReason: String, Hashable, Sendable {
    /// The model produced an end token.
    case stop
    /// The token limit or the session's capacity was reached.
    case length
    /// The caller asked to stop.
    case cancelled
}

/// An answer.
public struct Generation: Hashable, Sendable {
    /// The tokens produced, an end token included.
    public let tokens: [Int32]
    /// Why it ended.
    public let reason: FinishReason
    /// What the model thought of each token; empty if that was not asked for.
    public let scores: [PositionScore]

    init(tokens: [Int32], reason: FinishReason, scores: [PositionScore] = []) {
        self.tokens = tokens
        self.reason = reason
        self.scores = scores
    }
}

/// Runs a whole model in this process: one stage with all layers. The reference for any pipeline
/// of stages, which gives the same bytes.
public final class Generator: Sendable {
    /// The stage with all layers.
    public let stage: Stage

    /// Prepares all layers of `model`.
    public init(
        model: ModelFile, threads: Int = Stage.defaultThreads, path: KernelPath = .automatic
    ) throws(ModelError) {
        guard let layers = model.architecture.allLayers else {
            throw ModelError(.invalidArchitecture, "no layers")
        }
        stage = try Stage(model: model, layers: layers, threads: threads, path: path)
    }

    /// Continues `prompt` until an end token, `maxTokens` or the context is full.
    ///
    /// - Parameters:
    ///   - scores: how many of the most likely tokens to give the log probabilities of, beside
    ///     the chosen one; `nil` for none at all, which costs nothing.
    ///   - onToken: called with each token as it is chosen; `false` stops.
    public func generate(
        prompt: [Int32], parameters: SamplingParameters = .greedy, maxTokens: Int,
        scores top: Int? = nil, onToken: (Int32) -> Bool = { _ in true }
    ) throws(EngineError) -> Generation {
        let sampler = try Sampler(parameters, constraints: stage.model.constraints)
        let context = stage.model.architecture.contextLength
        guard prompt.count < context else {
            throw .tooManyPositions(capacity: context, needed: prompt.count + 1)
        }
        guard maxTokens > 0 else { return Generation(tokens: [], reason: .length) }
        // The last token produced is never run, so it needs no room.
        let limit = min(maxTokens, context - prompt.count)
        let session = try stage.makeSession(capacity: max(prompt.count + limit - 1, 1))
        var output = try session.run(tokens: prompt)
        var history = TokenHistory(
            for: parameters, constraint: sampler.constraint, prompt: prompt)
        var tokens: [Int32] = []
        var scores: [PositionScore] = []
        while true {
            let logits = try session.lastLogits(of: output)
            let token = sampler.sample(
                logits: logits, position: prompt.count + tokens.count, after: history)
            tokens.append(token)
            history.append(token)
            if let top { scores.append(LogProbabilities(logits: logits).score(token, top: top)) }
            let goesOn = onToken(token)
            var reason: FinishReason?
            if stage.model.tokenizer.isEnd(token) {
                reason = .stop
            } else if !goesOn {
                reason = .cancelled
            } else if tokens.count == limit {
                reason = .length
            }
            if let reason { return Generation(tokens: tokens, reason: reason, scores: scores) }
            output = try session.run(tokens: [token])
        }
    }

    /// Teacher forcing: what the model thinks of each token of `continuation` given everything
    /// before it. One pass; the same numbers as generating them.
    ///
    /// - Parameter top: how many of the most likely tokens to return at each position.
    public func score(
        prompt: [Int32], continuation: [Int32], top: Int
    ) throws(EngineError) -> [PositionScore] {
        if prompt.isEmpty || continuation.isEmpty { throw .emptyInput }
        try stage.check(continuation.suffix(1))
        let tokens = prompt + continuation.dropLast()
        let session = try stage.makeSession(capacity: tokens.count)
        let output = try session.run(tokens: tokens)
        let hidden = stage.model.architecture.hidden
        var scores: [PositionScore] = []
        for (index, token) in continuation.enumerated() {
            let start = (prompt.count - 1 + index) * hidden
            let logits = try stage.logits(of: Array(output[start..<start + hidden]))
            scores.append(LogProbabilities(logits: logits).score(token, top: top))
        }
        return scores
    }
}
