public import Primitives

/// What a pipeline is judged by. All of them add up over stages and edges.
public enum PlanCriterion: UInt8, CaseIterable, Hashable, Sendable {
    /// The most the request costs, in ledger units.
    case cost
    /// The sum of the prices of prompt tokens, for a million.
    case inputPrice
    /// The sum of the prices of output tokens, for a million.
    case outputPrice
    /// Microseconds until the first token: every stage runs the whole prompt, one after the other.
    case firstToken
    /// Microseconds from one token to the next.
    case perToken
    /// Microseconds until the last token, if all are produced.
    case answer
    /// The number of stages.
    case stages
}

/// The most that a criterion may come to.
public struct PlanLimit: Hashable, Sendable {
    /// What is limited.
    public var criterion: PlanCriterion
    /// The most there may be of it.
    public var most: UInt128

    /// A limit.
    public init(_ criterion: PlanCriterion, atMost most: UInt128) {
        self.criterion = criterion
        self.most = most
    }
}

/// What is to be run, and which of all pipelines is wanted.
public struct PlanRequest: Hashable, Sendable {
    /// The layers to cover: a model's, or those of a stage that was lost.
    public var layers: LayerRange
    /// Tokens in the prompt, at least 1.
    public var promptTokens: UInt32
    /// The most tokens to produce, at least 1.
    public var maxTokens: UInt32
    /// What is to be as small as can be.
    public var objective: PlanCriterion
    /// What decides between equals, before the number of stages and of offers; `nil` for nothing.
    public var tieBreak: PlanCriterion?
    /// What must hold.
    public var limits: [PlanLimit]

    /// A request with all its fields.
    public init(
        layers: LayerRange, promptTokens: UInt32, maxTokens: UInt32, objective: PlanCriterion,
        tieBreak: PlanCriterion? = nil, limits: [PlanLimit] = []
    ) {
        self.layers = layers
        self.promptTokens = promptTokens
        self.maxTokens = maxTokens
        self.objective = objective
        self.tieBreak = tieBreak
        self.limits = limits
    }

    /// What a stage adds to a criterion, without its edges.
    func value(_ criterion: PlanCriterion, of offer: PlanOffer) -> UInt128 {
        switch criterion {
        case .cost:
            (offer.inputPrice.cost(tokens: UInt64(promptTokens))
                + offer.outputPrice.cost(tokens: UInt64(maxTokens))).units
        case .inputPrice: UInt128(offer.inputPrice.perMillion)
        case .outputPrice: UInt128(offer.outputPrice.perMillion)
        case .firstToken:
            UInt128(offer.queueTime)
                + (UInt128(offer.promptTime) * UInt128(promptTokens) + 999) / 1_000
        case .perToken: UInt128(offer.tokenTime)
        case .answer:
            value(.firstToken, of: offer) + UInt128(maxTokens - 1) * UInt128(offer.tokenTime)
        case .stages: 1
        }
    }

    /// How often a message passes each edge, as far as a criterion counts it.
    func passes(_ criterion: PlanCriterion) -> UInt128 {
        switch criterion {
        case .firstToken, .perToken: 1
        case .answer: UInt128(maxTokens)
        case .cost, .inputPrice, .outputPrice, .stages: 0
        }
    }
}

/// The best pipeline, and what it is predicted to take.
public struct PipelinePlan: Hashable, Sendable {
    /// Its stages, in order.
    public let stages: [PlanOffer]
    /// The most it costs.
    public let cost: Amount
    /// Microseconds until the first token.
    public let firstToken: UInt64
    /// Microseconds from one token to the next.
    public let perToken: UInt64
    /// Whether no better pipeline exists; otherwise the search was cut short and this one is the
    /// best of those that keep every limit and are the least in one of them.
    public let isExact: Bool
}

/// Why there is no pipeline. Numbers are stable for ever; the lowest that applies is given.
public enum PlanRefusal: UInt16, CaseIterable, Error, Hashable, Sendable {
    /// Some layer is offered by nobody, or ranges do not meet.
    case uncovered = 1
    /// Pipelines exist, but not all of their machines have the memory.
    case noMemory = 2
    /// Pipelines exist, but their machines do not reach each other, or need a relay in the middle.
    case unreachable = 3
    /// Pipelines exist, but none keeps this limit, even if only this one counts.
    case overLimit = 4
    /// Each limit can be kept, but not all together.
    case limitsConflict = 5
    /// So many pipelines trade one limit for another that the search was cut short, and what is
    /// easily found keeps not all limits.
    case tooComplex = 6
}
