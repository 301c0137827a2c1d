import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Testing
import Verification

/// The real model and short pieces of it, opened once for all tests.
enum NodeFixture {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    private static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let model = Result { try ModelFile(path: modelPath()) }
    static let manifest = Result { try model.get().manifest(name: "smollm2-135m") }
    /// A stage in the middle, cheap to prepare: it takes and gives activations.
    static let middle = Result { try stage(10, 11) }
    static let first = Result { try stage(0, 1) }
    static let last = Result { try stage(29, 30) }

    static func modelPath() throws -> String {
        if let path = ProcessInfo.processInfo.environment["EXCHEQUER_MODEL"], !path.isEmpty {
            return path
        }
        let path = repository.appending(
            path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf"
        ).path()
        guard FileManager.default.fileExists(atPath: path) else {
            throw Missing(description: "no model at \(path): run `make model` to fetch it")
        }
        return path
    }

    static func tokenizer() throws -> Tokenizer { try model.get().tokenizer }

    static func range(_ first: UInt16, _ end: UInt16) throws -> LayerRange {
        try #require(LayerRange(first, end))
    }

    static func stage(_ first: UInt16, _ end: UInt16, of file: ModelFile? = nil) throws -> Stage {
        try Stage(model: file ?? model.get(), layers: range(first, end), threads: 2)
    }

    /// Parameters that count prompt and output.
    static let penalised = {
        var parameters = SamplingParameters(temperature: 0.8, topP: 0.95, seed: 7)
        parameters.repetitionPenalty = 1.3
        parameters.presencePenalty = 0.5
        parameters.frequencyPenalty = 0.25
        parameters.minP = 0.02
        parameters.logitBias = [.init(token: 28, value: -3), .init(token: 282, value: 4)]
        return parameters
    }()

    static func key(_ number: UInt8) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: number, count: 32)))
    }

    /// The model with the low bit of every weight in these layers' Q4_1 tensors cleared: what
    /// somebody runs who wants to save memory and hopes that nobody looks. `mask` says which bits
    /// of a pair of weights are kept.
    static func tampered(layers: Range<Int>, mask: UInt8 = 0xee) throws -> ModelFile {
        let file = try model.get()
        var bytes = Array(try Data(contentsOf: URL(filePath: modelPath())))
        let prefixes = layers.map { "blk.\($0)." }
        for tensor in file.file.tensors where tensor.type == .q4_1 {
            guard prefixes.contains(where: { tensor.name.hasPrefix($0) }) else { continue }
            for block in stride(from: tensor.offset, to: tensor.offset + tensor.byteCount, by: 20) {
                for index in block + 4..<block + 20 { bytes[index] &= mask }
            }
        }
        return try ModelFile(bytes: bytes)
    }
}

/// A pipeline of runners in one process, with the bytes between them kept as the house keeps them.
struct LocalPipeline {
    let manifest: ModelManifest
    let prompt: [Int32]
    let outputs: Int
    let sampling: SamplingParameters
    /// What each node really runs.
    let stages: [Stage]
    private(set) var runners: [StageRunner]
    private(set) var boundaries: [[UInt8]]
    private(set) var output: [Int32] = []
    private(set) var tokens: [Int32] = []

    init(
        stages: [Stage], prompt: [Int32], outputs: Int,
        sampling: SamplingParameters = SamplingParameters(temperature: 0.8, seed: 7)
    ) throws {
        manifest = try NodeFixture.manifest.get()
        self.prompt = prompt
        self.outputs = outputs
        let sampling = sampling.committed(to: prompt)
        self.sampling = sampling
        self.stages = stages
        runners = try stages.map {
            try StageRunner(
                stage: $0, promptTokens: prompt.count, capacity: prompt.count + outputs - 1,
                sampling: sampling, prompt: prompt, scores: 2)
        }
        boundaries = stages.dropLast().map { _ in [] }
    }

    /// Serves the whole job, the prompt in chunks of this size.
    mutating func serve(chunk: Int) throws {
        for start in stride(from: 0, to: prompt.count, by: chunk) {
            try feed(Array(prompt[start..<min(start + chunk, prompt.count)]))
        }
        while output.count < outputs { try feed([output[output.count - 1]]) }
    }

    private mutating func feed(_ ids: [Int32]) throws {
        tokens += ids
        var result = try runners[0].run(tokens: ids)
        for index in 1..<max(runners.count, 1) {
            guard case .activations(let rows) = result else { break }
            boundaries[index - 1] += rows.flatMap { value in
                (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) }
            }
            result = try runners[index].run(activations: rows)
        }
        if case .sampled(let first, let ids) = result {
            #expect(first == prompt.count - 1 + output.count)
            output += ids
        }
    }

    /// The evidence, with each stage's receipt signed by its own key.
    func bundle() throws -> EvidenceBundle {
        let last = runners[runners.count - 1]
        return EvidenceBundle(
            job: JobID(9), attempt: 1, model: manifest.root, profile: manifest.profile,
            request: Transcript.request(
                prompt: prompt[...], sampling: sampling.canonicalBytes()),
            promptTokens: UInt32(prompt.count), tokens: tokens, output: output,
            logits: last.logitsHashes, sampling: sampling.canonicalBytes(),
            stages: try runners.indices.map { index in
                EvidenceBundle.Stage(
                    layers: stages[index].layers,
                    weights: manifest.weightsRoot(of: stages[index].layers),
                    receipt: try receipt(index).signed(by: NodeFixture.key(UInt8(index + 1))))
            },
            boundaries: boundaries)
    }

    private func receipt(_ index: Int) -> Receipt {
        Receipt(
            job: JobID(9), attempt: 1, stage: UInt16(index), stages: UInt16(stages.count),
            layers: stages[index].layers, model: manifest.root,
            weights: manifest.weightsRoot(of: stages[index].layers), profile: manifest.profile,
            positions: UInt32(tokens.count), promptTokens: UInt32(prompt.count),
            outputTokens: UInt32(output.count),
            inputRoot: runners[index].transcript.inputRoot,
            outputRoot: runners[index].transcript.outputRoot, startedAt: Timestamp(seconds: 1),
            finishedAt: Timestamp(seconds: 2), previous: .zero)
    }
}

extension JobTable {
    /// Takes a frame and runs passes until nothing waits.
    mutating func settle(_ frame: WireFrame, at now: Timestamp) -> [Effect] {
        receive(frame, at: now) + runPasses(at: now)
    }

    /// Takes the bytes of a frame and runs passes until nothing waits.
    mutating func settle(_ bytes: [UInt8], at now: Timestamp) -> [Effect] {
        receive(bytes, at: now) + runPasses(at: now)
    }

    mutating func runPasses(at now: Timestamp) -> [Effect] {
        var effects: [Effect] = []
        while hasWork { effects += runPass(at: now) }
        return effects
    }
}
