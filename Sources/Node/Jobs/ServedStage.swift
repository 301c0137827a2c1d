public import Inference
public import Primitives

/// One range of layers that a node serves, ready to compute, and what it is offered as.
public struct ServedStage: Sendable {
    /// The layers, with the weights that are really run.
    public let stage: Stage
    /// The root of the model it is offered as.
    public let model: Digest
    /// The weights root it is offered as.
    public let weights: Digest
    /// The arithmetic contract.
    public let profile: Digest
    /// The most jobs at a time.
    public let concurrency: Int
    /// The most positions of one job.
    public let context: Int

    /// A served stage that claims to be these layers of the model with this manifest.
    public init(stage: Stage, manifest: ModelManifest, concurrency: Int, context: Int) {
        self.stage = stage
        model = manifest.root
        weights = manifest.weightsRoot(of: stage.layers)
        profile = manifest.profile
        self.concurrency = concurrency
        self.context = context
    }
}
