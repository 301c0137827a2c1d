public import Primitives
public import Verification

/// Re-executes stages with one model file: the engine behind `Judge`.
///
/// Prepares a stage's layers when it needs them and forgets them afterwards, so that a judge needs
/// room for one stage at a time. `reexecute` blocks for as long as the job took: call it on a
/// thread of its own.
public final class ModelReexecutor: StageReexecutor, Sendable {
    /// The model's manifest.
    public let manifest: ModelManifest
    private let file: ModelFile
    private let threads: Int
    /// Positions run at once; any number gives the same bytes.
    private let chunk = 64

    /// An engine over `file`, whose manifest is `manifest`: made by `file.manifest()`, which takes
    /// long enough that its result is worth keeping.
    public init(file: ModelFile, manifest: ModelManifest, threads: Int = Stage.defaultThreads) {
        self.file = file
        self.manifest = manifest
        self.threads = threads
    }

    /// The root of the model.
    public var model: Digest { manifest.root }
    /// The arithmetic contract.
    public var profile: Digest { manifest.profile }
    /// How many layers the model has.
    public var layerCount: Int { manifest.layers }
    /// Bytes of one row of activations.
    public var rowBytes: Int { 4 * manifest.hidden }

    /// The weights root of a range of layers; `nil` if there are no such layers.
    public func weightsRoot(of layers: LayerRange) -> Digest? {
        Int(layers.end) <= manifest.layers ? manifest.weightsRoot(of: layers) : nil
    }

    /// Runs the task's input through its layers; returns the output root. Throws `ModelError`,
    /// `EngineError` or `CodecError`.
    public func reexecute(_ task: StageTask) throws -> Digest {
        let stage = try Stage(model: file, layers: task.layers, threads: threads)
        var runner = try StageRunner(
            stage: stage, promptTokens: task.promptTokens, capacity: task.positions,
            sampling: try SamplingParameters(canonicalBytes: task.sampling), prompt: task.prompt)
        for start in stride(from: 0, to: task.positions, by: chunk) {
            let end = min(start + chunk, task.positions)
            switch task.input {
            case .tokens(let tokens):
                _ = try runner.run(tokens: Array(tokens[start..<end]))
            case .activations(let bytes):
                let rows = bytes[start * rowBytes..<end * rowBytes]
                _ = try runner.run(activations: [Float](littleEndian: rows))
            }
        }
        return runner.transcript.outputRoot
    }
}
