public import Inference
public import Primitives

/// A whole model that another server computes, as it is offered: always statistical.
public struct ServedUpstream: Sendable {
    /// All layers.
    public let layers: LayerRange
    /// The root of the model it is offered as.
    public let model: Digest
    /// The weights root it is offered as.
    public let weights: Digest
    /// Tokens are below this number.
    public let vocabulary: Int32
    /// The most jobs at a time.
    public let concurrency: Int
    /// The most positions of one job.
    public let context: Int

    /// An offer of the whole model with this manifest, whose layers are `layers`.
    public init(manifest: ModelManifest, layers: LayerRange, concurrency: Int, context: Int) {
        self.layers = layers
        model = manifest.root
        weights = manifest.weightsRoot(of: layers)
        vocabulary = Int32(manifest.vocabulary)
        self.concurrency = concurrency
        self.context = context
    }

    /// Whether this is what an assignment asks for.
    func offers(_ assignment: Assignment) -> Bool {
        assignment.layers == layers && assignment.model == model && assignment.weights == weights
            && assignment.profile == profile && assignment.stages == 1
    }

    /// What its receipts name in place of an arithmetic contract.
    public var profile: Digest { Numerics.statisticalProfile }
}
