public import Clearing
public import Inference
public import Primitives

/// A buyer's request, tokenized: what a front door asks of the house.
public struct JobRequest: Sendable {
    /// Who pays.
    public var buyer: PartyID
    /// The buyer's own id for it; the same one is never served twice.
    public var request: UInt128
    /// The model.
    public var model: ServedModel
    /// The prompt's tokens.
    public var prompt: [Int32]
    /// The most tokens to choose.
    public var maxTokens: UInt32
    /// How tokens are chosen.
    public var sampling: SamplingParameters
    /// Texts that end the answer and are not part of it.
    public var stops: [String]
    /// How many of the most likely tokens to give the log probabilities of, at each token of the
    /// answer and beside the chosen one; `nil` for none at all.
    public var scores: Int?
    /// Whom to ask, and at what price.
    public var routing = Routing()

    /// The routing part of a demand.
    public struct Routing: Hashable, Sendable {
        /// Dollars per million prompt tokens, at most.
        public var maxInputPrice: Price?
        /// Dollars per million output tokens, at most.
        public var maxOutputPrice: Price?
        /// Whom to ask first.
        public var order: [PartyID] = []
        /// Whom to ask at all; empty for all.
        public var only: [PartyID] = []
        /// Whom never to ask.
        public var ignore: [PartyID] = []
        /// Whether others than `order` will do.
        public var allowFallbacks = true
        /// Whether work that no audit can re-execute will do.
        public var acceptsStatistical = false

        /// Anyone at any price whose work can be re-executed.
        public init() {}
    }

    /// A request to anyone at any price.
    public init(
        buyer: PartyID, request: UInt128, model: ServedModel, prompt: [Int32], maxTokens: UInt32,
        sampling: SamplingParameters, stops: [String] = []
    ) {
        self.buyer = buyer
        self.request = request
        self.model = model
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.sampling = sampling
        self.stops = stops
    }
}

/// What comes of a running job, in order: text, then exactly one end.
public enum JobOutput: Sendable {
    /// More of the answer, which may be empty, how many tokens it took, and the scores of the
    /// tokens whose text it is, if they were asked for.
    case text(String, tokens: Int, scores: [PositionScore])
    /// The answer is complete and its cost is in escrow.
    case done(JobResult)
    /// Nothing is charged.
    case failed(JobFailure)
}

/// A complete answer.
public struct JobResult: Hashable, Sendable {
    /// Tokens in the prompt.
    public let promptTokens: Int
    /// Tokens chosen.
    public let outputTokens: Int
    /// `stop`, `length` or `cancelled`.
    public let finish: String
    /// What it cost.
    public let cost: Amount
    /// Who served it, in order of stage.
    public let providers: [String]
    /// The attempt that completed, from 1.
    public let attempt: UInt32
    /// What the arithmetic of the attempt that completed can be held to.
    public let numerics: Numerics
}

/// Why a job came to nothing.
public enum JobFailure: Error, Hashable, Sendable {
    /// The house refused it.
    case rejected(Rejection)
    /// It was opened, and ended uncharged.
    case failed(JobID, FailureReason)
    /// The house is stopping, too busy, or its journal failed.
    case unavailable(String)
}

extension FailureReason {
    /// What happened, in one sentence without its full stop.
    public var message: String {
        switch self {
        case .noReplacement: "a provider failed and nobody could take its place"
        case .cancelled: "the request was cancelled before the first token"
        case .interrupted: "the house restarted while the request ran"
        case .timedOut: "the request took too long"
        case .tooManyAttempts: "too many providers failed"
        case .diverged: "another provider could not reproduce the beginning of the answer"
        case .unsigned: "no provider signed for the answer"
        }
    }

    /// The name that programs see.
    public var name: String {
        switch self {
        case .noReplacement: "no_replacement"
        case .cancelled: "cancelled"
        case .interrupted: "interrupted"
        case .timedOut: "timed_out"
        case .tooManyAttempts: "too_many_attempts"
        case .diverged: "diverged"
        case .unsigned: "unsigned"
        }
    }
}
