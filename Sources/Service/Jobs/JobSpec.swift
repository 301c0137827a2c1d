public import Inference
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
    /// How many likely tokens' log probabilities come with each token; `nil` for none at all.
    public let scores: Int?
    /// How long nodes have for what, in milliseconds.
    public let patience: Patience
    /// When the answer is to end with the token in flight, so that it is signed for before the
    /// clearing ends the job uncharged; `nil` for never.
    public let endBy: UInt64?

    /// A job of these parts.
    public init(
        job: JobID, prompt: [Int32], maxTokens: Int, rowBytes: Int, vocabulary: Int32,
        isEnd: @escaping @Sendable (Int32) -> Bool, text: AnswerText, scores: Int? = nil,
        patience: Patience = Patience(), endBy: UInt64? = nil
    ) {
        self.job = job
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.rowBytes = rowBytes
        self.vocabulary = vocabulary
        self.isEnd = isEnd
        self.text = text
        self.scores = scores
        self.patience = patience
        self.endBy = endBy
    }

    /// How long nodes have, in milliseconds.
    public struct Patience: Hashable, Sendable {
        /// Until every stage says that it is ready.
        public var ready: UInt64 = 10_000
        /// For the next result of one stage.
        public var step: UInt64 = 20_000
        /// More, for each position of any job that waits at the stage's node.
        public var position: UInt64 = 50
        /// How long a node that owes a result may not be heard before another is looked for. It
        /// is not blamed, and keeps the work if there is no other.
        public var silence: UInt64 = 700
        /// For receipts after the end.
        public var receipts: UInt64 = 10_000

        /// The usual patience.
        public init() {}
    }
}
