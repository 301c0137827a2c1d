/// What one stage of one job's pipeline says it did: the record every payout and every conviction
/// rests on. Signed by the stage's node.
///
/// The roots are Merkle roots over positions (`Verification/Transcript`): stage 0's input leaves
/// are token ids, a middle boundary's leaves are the F32 activation bytes, the last stage's output
/// leaves are the sampled token and the hash of its logits. Because the next stage signs the same
/// root as its input, both sides of every boundary have countersigned it.
public struct Receipt: Hashable, Signable {
    public static let domain = "exchequer-receipt-v1"

    /// The job that was served.
    public var job: JobID
    /// Which attempt at the job, from 1; a replaced stage starts a new attempt.
    public var attempt: UInt32
    /// This stage's place in the pipeline, from 0.
    public var stage: UInt16
    /// How many stages the pipeline has.
    public var stages: UInt16
    /// The layers this stage ran.
    public var layers: LayerRange
    /// The root of the model the job was sold as.
    public var model: Digest
    /// The root of the weights of this layer range, as registered.
    public var weights: Digest
    /// The hash of the arithmetic contract, `numerics-v1`.
    public var profile: Digest
    /// How many positions were processed: the prompt and every output token but the last.
    public var positions: UInt32
    /// Tokens in the prompt.
    public var promptTokens: UInt32
    /// Tokens the job produced.
    public var outputTokens: UInt32
    /// The Merkle root of what came in.
    public var inputRoot: Digest
    /// The Merkle root of what went out.
    public var outputRoot: Digest
    /// When the stage began, by its own clock.
    public var startedAt: Timestamp
    /// When the stage ended, by its own clock.
    public var finishedAt: Timestamp
    /// The hash of this node's previous receipt; zero for its first.
    public var previous: Digest

    /// A receipt with all its fields.
    public init(
        job: JobID, attempt: UInt32, stage: UInt16, stages: UInt16, layers: LayerRange,
        model: Digest, weights: Digest, profile: Digest, positions: UInt32, promptTokens: UInt32,
        outputTokens: UInt32, inputRoot: Digest, outputRoot: Digest, startedAt: Timestamp,
        finishedAt: Timestamp, previous: Digest
    ) {
        self.job = job
        self.attempt = attempt
        self.stage = stage
        self.stages = stages
        self.layers = layers
        self.model = model
        self.weights = weights
        self.profile = profile
        self.positions = positions
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.inputRoot = inputRoot
        self.outputRoot = outputRoot
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.previous = previous
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(job)
        writer.write(attempt)
        writer.write(stage)
        writer.write(stages)
        writer.write(layers)
        for digest in [model, weights, profile] { writer.write(digest) }
        writer.write(positions)
        writer.write(promptTokens)
        writer.write(outputTokens)
        writer.write(inputRoot)
        writer.write(outputRoot)
        writer.write(startedAt)
        writer.write(finishedAt)
        writer.write(previous)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            job: try reader.read(), attempt: try reader.readUInt32(),
            stage: try reader.readUInt16(), stages: try reader.readUInt16(),
            layers: try reader.read(), model: try reader.readDigest(),
            weights: try reader.readDigest(), profile: try reader.readDigest(),
            positions: try reader.readUInt32(), promptTokens: try reader.readUInt32(),
            outputTokens: try reader.readUInt32(), inputRoot: try reader.readDigest(),
            outputRoot: try reader.readDigest(), startedAt: try reader.read(),
            finishedAt: try reader.read(), previous: try reader.readDigest())
    }
}
