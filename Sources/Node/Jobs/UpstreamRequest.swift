public import Inference
public import Primitives

/// What a node asks its upstream for: the rest of one answer.
public struct UpstreamRequest: Hashable, Sendable {
    /// The job it is for.
    public var job: JobID
    /// The attempt it is for.
    public var attempt: UInt32
    /// The prompt, and what was chosen before.
    public var prompt: [Int32]
    /// The most tokens to choose, at least 1.
    public var maxTokens: Int
    /// How to choose them. An upstream has its own random numbers: the seed makes its answers
    /// repeatable at best, never equal to ours.
    public var sampling: SamplingParameters

    /// A request with all its fields.
    public init(
        job: JobID, attempt: UInt32, prompt: [Int32], maxTokens: Int, sampling: SamplingParameters
    ) {
        self.job = job
        self.attempt = attempt
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.sampling = sampling
    }
}
