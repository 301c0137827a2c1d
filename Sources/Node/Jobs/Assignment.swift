public import Inference
public import Primitives

/// One stage of one attempt at one job, as the house assigns it: the data of the `job` event
/// (`docs/reference/node-protocol.md`). What is read from JSON is checked here, once.
public struct Assignment: Hashable, Sendable {
    /// The job.
    public var job: JobID
    /// The attempt, from 1.
    public var attempt: UInt32
    /// The stage's place in the pipeline, from 0.
    public var stage: UInt16
    /// How many stages the pipeline has.
    public var stages: UInt16
    /// The layers to run.
    public var layers: LayerRange
    /// The root of the model.
    public var model: Digest
    /// The weights root of the layers.
    public var weights: Digest
    /// The arithmetic contract.
    public var profile: Digest
    /// Tokens in the prompt, at least 1.
    public var promptTokens: UInt32
    /// The most output tokens, at least 1.
    public var maxTokens: UInt32
    /// Output tokens that were chosen in earlier attempts and are fed again behind the prompt.
    public var chosenTokens: UInt32
    /// How the last stage chooses tokens.
    public var sampling: SamplingParameters
    /// The tokens that occur in the prompt, ascending: for the last stage, if its sampling counts
    /// them; otherwise empty.
    public var promptSet: [Int32]
    /// How many of the most likely tokens the last stage gives the log probabilities of, beside
    /// the chosen one; `nil` for none at all.
    public var scores: Int?
    /// Where to go on from, if this node had these layers in an earlier attempt; `nil` to begin.
    public var resume: Resume?
    /// Whether another node has the stage and this one computes it along, unpaid.
    public var isStandIn: Bool

    /// A place in the work on an earlier attempt.
    public struct Resume: Hashable, Sendable {
        /// The attempt, before the current one.
        public var attempt: UInt32
        /// The first position that is to be run again or anew.
        public var position: UInt32

        /// A place in an earlier attempt.
        public init(attempt: UInt32, position: UInt32) {
            self.attempt = attempt
            self.position = position
        }
    }

    /// An assignment with all its fields.
    public init(
        job: JobID, attempt: UInt32, stage: UInt16, stages: UInt16, layers: LayerRange,
        model: Digest, weights: Digest, profile: Digest, promptTokens: UInt32, maxTokens: UInt32,
        chosenTokens: UInt32 = 0, sampling: SamplingParameters, promptSet: [Int32] = [],
        scores: Int? = nil, resume: Resume? = nil, isStandIn: Bool = false
    ) {
        self.job = job
        self.attempt = attempt
        self.stage = stage
        self.stages = stages
        self.layers = layers
        self.model = model
        self.weights = weights
        self.profile = profile
        self.promptTokens = promptTokens
        self.maxTokens = maxTokens
        self.chosenTokens = chosenTokens
        self.sampling = sampling
        self.promptSet = promptSet
        self.scores = scores
        self.resume = resume
        self.isStandIn = isStandIn
    }

    /// How many positions the work can have: the prompt and all output but the last token.
    public var capacity: Int { Int(promptTokens) + Int(maxTokens) - 1 }

    /// Reads the data of a `job` event. Throws `badAssignment`, naming the field.
    public init(json text: String) throws(NodeFault) {
        guard let raw: Raw = SnakeCaseJSON.decode(text.utf8) else {
            throw NodeFault(.badAssignment, "the assignment is not readable JSON of its kind")
        }
        try self.init(raw)
    }

    private init(_ raw: Raw) throws(NodeFault) {
        guard raw.job > 0, raw.attempt > 0, raw.stage < raw.stages, raw.promptTokens > 0,
            raw.maxTokens > 0, raw.chosenTokens ?? 0 < raw.maxTokens,
            raw.resume.map({ $0.attempt > 0 && $0.attempt < raw.attempt }) ?? true
        else { throw NodeFault(.badAssignment, "a number in the assignment is out of its range") }
        guard raw.layers.count == 2, let layers = LayerRange(raw.layers[0], raw.layers[1]) else {
            throw NodeFault(.badAssignment, "the layers are not a range")
        }
        guard let model = Digest(hex: raw.model), let weights = Digest(hex: raw.weights),
            let profile = Digest(hex: raw.profile)
        else { throw NodeFault(.badAssignment, "a root is not 64 hexadecimal digits") }
        let sampling: SamplingParameters
        do {
            sampling = try SamplingParameters(canonicalBytes: Hex.decode(raw.sampling) ?? [])
        } catch {
            throw NodeFault(.badAssignment, "the sampling parameters are not usable")
        }
        let promptSet = raw.promptSet ?? []
        if sampling.countsPrompt, raw.stage + 1 == raw.stages {
            guard promptSet.count <= raw.promptTokens,
                promptSet == SamplingParameters.distinct(promptSet),
                sampling.promptHash == SamplingParameters.promptHash(of: promptSet)
            else {
                throw NodeFault(.badAssignment, "the prompt's tokens are not those of its hash")
            }
        }
        if let scores = raw.logprobs, !(0...PositionScore.maximumTop).contains(scores) {
            throw NodeFault(.badAssignment, "log probabilities of \(scores) tokens a position")
        }
        self.init(
            job: JobID(raw.job), attempt: raw.attempt, stage: raw.stage, stages: raw.stages,
            layers: layers, model: model, weights: weights, profile: profile,
            promptTokens: raw.promptTokens, maxTokens: raw.maxTokens,
            chosenTokens: raw.chosenTokens ?? 0, sampling: sampling, promptSet: promptSet,
            scores: raw.logprobs,
            resume: raw.resume.map { Resume(attempt: $0.attempt, position: $0.position) },
            isStandIn: raw.standIn ?? false)
    }

    private struct Raw: Decodable {
        let job: UInt64
        let attempt: UInt32
        let stage: UInt16
        let stages: UInt16
        let layers: [UInt16]
        let model: String
        let weights: String
        let profile: String
        let promptTokens: UInt32
        let maxTokens: UInt32
        let chosenTokens: UInt32?
        let sampling: String
        let promptSet: [Int32]?
        let logprobs: Int?
        let resume: RawResume?
        let standIn: Bool?
    }

    private struct RawResume: Decodable {
        let attempt: UInt32
        let position: UInt32
    }
}
