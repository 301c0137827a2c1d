import Inference
public import Primitives

/// What one job computes: fixed when it is opened.
public struct JobSpec: Sendable {
    /// The job.
    public let job: JobID
    /// The prompt's tokens.
    public let prompt: [Int32]
    /// The most tokens to choose.
    public let maxTokens: Int
    /// Bytes of one row of activations.
    public let rowBytes: Int
    /// Tokens are below this number.
    public let vocabulary: Int32
    /// Whether a token ends the answer.
    public let isEnd: @Sendable (Int32) -> Bool
    /// The answer's text, before any token.
    public let text: AnswerText
    /// How long nodes have for what, in milliseconds.
    public let patience: Patience

    /// A job of these parts.
    public init(
        job: JobID, prompt: [Int32], maxTokens: Int, rowBytes: Int, vocabulary: Int32,
        isEnd: @escaping @Sendable (Int32) -> Bool, text: AnswerText,
        patience: Patience = Patience()
    ) {
        self.job = job
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.rowBytes = rowBytes
        self.vocabulary = vocabulary
        self.isEnd = isEnd
        self.text = text
        self.patience = patience
    }

    /// How long nodes have, in milliseconds.
    public struct Patience: Hashable, Sendable {
        /// Until every stage says that it is ready.
        public var ready: UInt64 = 10_000
        /// For the next result of one stage; 50 more for each position that waits there.
        public var step: UInt64 = 20_000
        /// For receipts after the end.
        public var receipts: UInt64 = 10_000

        /// The usual patience.
        public init() {}
    }
}
