/// Guesses with a small model of the same tokenizer, and by `SuffixDraft` where the text has
/// followed an earlier place for long.
///
/// It chooses with the parameters of the request, and so from the same random numbers: with the
/// same logits as the large model it would choose the same tokens at any temperature.
public struct DraftModel: DraftSource {
    /// The class of its guesses, above those of `SuffixDraft`.
    private static let modelEvidence = DraftController.classes - 1
    /// From this class on the text itself is the better guess.
    private static let trustedSuffix = 3

    private let sampler: Sampler
    private let session: StageSession
    private var suffix: SuffixDraft
    private var certain: [Int32] = []
    /// What the large model's choice counts: the first tokens that came are the prompt.
    private var history: TokenHistory
    /// What the session has run.
    private var ran: [Int32] = []
    private var hasFailed = false

    /// A source that guesses with `generator` for a model with this tokenizer and a text of at
    /// most `capacity` tokens. Throws if the tokenizers differ, or without memory.
    public init(
        _ generator: Generator, for tokenizer: Tokenizer, sampling: SamplingParameters,
        capacity: Int
    ) throws(EngineError) {
        guard generator.stage.model.tokenizer.digest == tokenizer.digest else {
            throw .invalidParameter("draft model: another tokenizer")
        }
        sampler = try Sampler(sampling, constraints: generator.stage.model.constraints)
        history = TokenHistory(for: sampling, constraint: sampler.constraint)
        let context = generator.stage.model.architecture.contextLength
        session = try generator.stage.makeSession(capacity: min(capacity, context))
        suffix = SuffixDraft(capacity: capacity)
    }

    /// Takes certain tokens; they are run when a guess is wanted.
    public mutating func append(_ tokens: [Int32]) {
        if certain.isEmpty {
            history.append(prompt: tokens)
        } else {
            for token in tokens { history.append(token) }
        }
        certain += tokens
        suffix.append(tokens)
    }

    /// Runs the small model for as many tokens; none once its context is full.
    public mutating func draft(after pending: [Int32], count: Int) -> [Int32] {
        if suffix.evidence >= Self.trustedSuffix {
            let copied = suffix.draft(after: pending, count: count)
            if !copied.isEmpty { return copied }
        }
        guard !hasFailed else { return [] }
        do throws(EngineError) {
            var history = history
            for token in pending { history.append(token) }
            return try run(certain + pending, after: history, count: count)
        } catch {
            // A model that cannot go on has no more ideas; the request does not need them.
            hasFailed = true
            return []
        }
    }

    private mutating func run(
        _ text: [Int32], after past: TokenHistory, count: Int
    ) throws(EngineError) -> [Int32] {
        guard !text.isEmpty, text.count < session.capacity else { return [] }
        var common = 0
        while common < ran.count, common < text.count - 1, ran[common] == text[common] {
            common += 1
        }
        try session.truncate(to: common)
        ran = text
        var output = try session.run(tokens: Array(text[common...]))
        var history = past
        var drafted: [Int32] = []
        while true {
            let logits = try session.lastLogits(of: output)
            let token = sampler.sample(logits: logits, position: ran.count, after: history)
            drafted.append(token)
            history.append(token)
            if drafted.count >= count || ran.count + 1 >= session.capacity { return drafted }
            ran.append(token)
            output = try session.run(tokens: [token])
        }
    }

    /// The suffix's class while that is trusted, otherwise the highest.
    public var evidence: Int {
        suffix.evidence >= Self.trustedSuffix ? suffix.evidence : Self.modelEvidence
    }

    /// It is.
    public var isSlow: Bool { true }
}
