public import Inference

/// What a private cluster gave for one request.
public struct ClusterAnswer: Sendable {
    /// The tokens produced, an end token included.
    public var tokens: [Int32]
    /// Why it ended.
    public var reason: FinishReason
    /// What was sent and guessed.
    public var counts: PipelineHead.Counts
    /// Until the first token.
    public var timeToFirstToken: Duration
    /// Until the last token.
    public var time: Duration
}

/// A request that did not end well, and what was certain by then: none of it is lost or repeated
/// when the rest is asked for again.
public struct ClusterFailure: Error, Sendable {
    /// What went wrong.
    public var fault: RingFault
    /// The tokens produced until then.
    public var settled: [Int32]
}

extension ClusterFailure: CustomStringConvertible {
    /// The fault, and how many tokens there were.
    public var description: String { "\(fault) (\(settled.count) tokens until then)" }
}

/// How one request is to be run. Nothing here changes what comes out.
public struct ClusterOptions: Sendable {
    /// Makes the source of guesses for a text of at most so many tokens.
    public var draft: @Sendable (_ capacity: Int) throws(EngineError) -> any DraftSource = {
        SuffixDraft(capacity: $0)
    }
    /// Decides how much is guessed.
    public var controller = DraftController()
    /// Positions in one frame of the prompt.
    public var chunkRows = 64
    /// How long nothing may come back.
    public var patience = Duration.seconds(30)

    /// Guesses by `SuffixDraft`.
    public init() {}

    /// No guesses: every token waits for the one before.
    public static var plain: ClusterOptions {
        var options = ClusterOptions()
        options.draft = { _ in NoDraft() }
        return options
    }
}
