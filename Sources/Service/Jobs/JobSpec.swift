import Inference
import Primitives

/// What one job computes: fixed when it is opened.
struct JobSpec: Sendable {
    /// The job.
    let job: JobID
    /// The prompt's tokens.
    let prompt: [Int32]
    /// The most tokens to choose.
    let maxTokens: Int
    /// Bytes of one row of activations.
    let rowBytes: Int
    /// Tokens are below this number.
    let vocabulary: Int32
    /// Whether a token ends the answer.
    let isEnd: @Sendable (Int32) -> Bool
    /// The answer's text, before any token.
    let text: AnswerText
    /// How long nodes have for what, in milliseconds.
    let patience: Patience

    /// How long nodes have, in milliseconds.
    struct Patience: Hashable, Sendable {
        /// Until every stage says that it is ready.
        var ready: UInt64 = 10_000
        /// For the next result of one stage; 50 more for each position that waits there.
        var step: UInt64 = 20_000
        /// For receipts after the end.
        var receipts: UInt64 = 10_000
    }
}
