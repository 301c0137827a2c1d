public import Primitives

/// What came into a stage.
public enum StageInput: Hashable, Sendable {
    /// Tokens, one a position: the first stage.
    case tokens([Int32])
    /// Rows of F32 little endian, one a position: every other stage.
    case activations([UInt8])
}

/// One stage's whole work on one job, to be done again.
public struct StageTask: Hashable, Sendable {
    /// The stage's place, from 0.
    public let stage: UInt16
    /// How many stages the pipeline has.
    public let stages: UInt16
    /// The layers to run.
    public let layers: LayerRange
    /// How many positions there are.
    public let positions: Int
    /// How many of them are the prompt.
    public let promptTokens: Int
    /// The prompt's tokens: those of the request, whatever the stage was given.
    public let prompt: [Int32]
    /// The canonical sampling parameters.
    public let sampling: [UInt8]
    /// What the stage signed that it was given.
    public let input: StageInput

    /// A task with its parts.
    public init(
        stage: UInt16, stages: UInt16, layers: LayerRange, positions: Int, promptTokens: Int,
        prompt: [Int32] = [], sampling: [UInt8], input: StageInput
    ) {
        self.stage = stage
        self.stages = stages
        self.layers = layers
        self.positions = positions
        self.promptTokens = promptTokens
        self.prompt = prompt
        self.sampling = sampling
        self.input = input
    }

    /// Whether this stage chooses tokens.
    public var isLast: Bool { stage + 1 == stages }
}

/// Does a stage's work again with weights known to be right: the engine, as the judge sees it.
public protocol StageReexecutor {
    /// The root of the model it holds.
    var model: Digest { get }
    /// The hash of the arithmetic contract it follows.
    var profile: Digest { get }
    /// How many layers the model has.
    var layerCount: Int { get }
    /// Bytes of one activation row.
    var rowBytes: Int { get }
    /// The weights root of a range of layers; `nil` if there are no such layers.
    func weightsRoot(of layers: LayerRange) -> Digest?
    /// The output root that the task's input leads to. Throws only if the engine fails; the task's
    /// numbers fit the model.
    func reexecute(_ task: StageTask) throws -> Digest
}
