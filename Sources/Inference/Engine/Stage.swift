import CKernels
public import Primitives
import Synchronization

/// Which instructions compute the dot products. All cases of `allCases` give the same bytes; choose
/// only to compare.
public enum KernelPath: Int32, CaseIterable, Hashable, Sendable {
    /// The best this machine has.
    case automatic = 0
    /// Plain C.
    case scalar = 1
    /// AVX2 and F16C.
    case avx2 = 2
    /// AVX-512 VNNI.
    case vnni = 3
    /// NEON with the dot products of ARMv8.4.
    case neon = 4
    /// VNNI with fused and reordered sums, to measure what the contract costs. Other bytes: never
    /// for work that others check.
    case unordered = 5

    /// The paths of the contract.
    public static let allCases: [KernelPath] = [.automatic, .scalar, .avx2, .vnni, .neon]
}

/// A run of a model's layers, ready to compute: what one provider serves. The stage with layer 0
/// embeds tokens, the stage with the last layer computes logits. Chaining the stages of any split
/// gives the same bytes as one stage with all layers.
///
/// Reads only its own tensors. Safe to share: calls on one stage wait for each other, so sessions
/// take turns unless they are run together. `run` blocks for milliseconds to seconds: never call it
/// on an event loop.
@safe
public final class Stage: @unchecked Sendable {
    /// The model.
    public let model: ModelFile
    /// The layers.
    public let layers: LayerRange
    /// How many threads compute.
    public let threads: Int
    /// The key-value memory of its sessions.
    public let memory: KVPool
    /// Whether sessions of one scope share pages.
    public let prefixSharing: PrefixSharing
    let handle: OpaquePointer
    /// Held by who runs or changes sessions of this stage.
    let turn = Mutex(())

    /// One thread per processor.
    public static var defaultThreads: Int { min(Int(xk_processor_count()), 256) }

    /// Prepares the layers: checks that the weights are finite and, for the vector paths, packs a
    /// copy of them.
    ///
    /// - Parameters:
    ///   - memoryLimit: the most bytes of key-value memory that sessions may reserve.
    ///   - prefixSharing: whether sessions of one scope share pages.
    public init(
        model: ModelFile, layers: LayerRange, threads: Int = Stage.defaultThreads,
        path: KernelPath = .automatic, memoryLimit: Int = KVPool.defaultByteLimit,
        prefixSharing: PrefixSharing = .on
    ) throws(ModelError) {
        guard Int(layers.end) <= model.architecture.layers else {
            throw ModelError(.layersOutOfRange, "\(layers) of \(model.architecture.layers)")
        }
        guard (1...256).contains(threads) else {
            throw ModelError(.badThreadCount, "\(threads), from 1 to 256")
        }
        self.model = model
        self.layers = layers
        self.threads = threads
        self.prefixSharing = prefixSharing
        unsafe self.handle = try StageBuilder(model.file, model.architecture)
            .build(layers, threads: threads, path: path)
        memory = unsafe KVPool(
            pageBytes: xk_stage_page_bytes(handle), byteLimit: memoryLimit)
    }

    deinit {
        unsafe xk_stage_destroy(handle)
    }

    /// Whether this stage embeds tokens.
    public var isFirst: Bool { layers.first == 0 }

    /// Whether this stage computes logits.
    public var isLast: Bool { Int(layers.end) == model.architecture.layers }

    /// The path in use; never `automatic`.
    public var path: KernelPath {
        unsafe KernelPath(rawValue: xk_stage_path(handle)) ?? .scalar
    }

    /// Starts a session with room for `capacity` positions, which are reserved in `memory`.
    ///
    /// - Parameter scope: with whom the session shares pages if both begin alike; `nil` for nobody.
    public func makeSession(
        capacity: Int, scope: PrefixScope? = nil
    ) throws(EngineError) -> StageSession {
        try StageSession(stage: self, capacity: capacity, scope: scope)
    }

    /// Final norm and output matrix for each row of `hidden` floats; one row of `vocabulary`
    /// logits for each. Takes what `StageSession.run` of this stage returned, or any part of it
    /// that is whole rows. Only on the last stage.
    public func logits(of activations: [Float]) throws(EngineError) -> [Float] {
        guard isLast else { throw .notLastStage }
        let (logits, areFinite) = multiplyTail(activations, count: try rows(activations))
        guard areFinite else { throw .resultNotFinite }
        return logits
    }

    /// The logits of each row that `run` of this stage returned, all in one pass; `nil` where they
    /// are not finite. Only on the last stage.
    public func logitRows(of activations: [Float]) -> [[Float]?] {
        let count = activations.count / model.architecture.hidden
        if count == 0 { return [] }
        let (logits, areFinite) = multiplyTail(activations, count: count)
        if count == 1 { return [areFinite ? logits : nil] }
        let width = model.architecture.vocabulary
        return (0..<count).map { row in
            let row = logits[row * width..<(row + 1) * width]
            return areFinite || Self.areFinite(row) ? Array(row) : nil
        }
    }

    private func multiplyTail(_ activations: [Float], count: Int) -> ([Float], areFinite: Bool) {
        let size = count * model.architecture.vocabulary
        var status: Int32 = 0
        let logits = unsafe [Float](unsafeUninitializedCapacity: size) { out, filled in
            unsafe activations.withUnsafeBufferPointer { x in
                unsafe status = xk_stage_logits(
                    handle, x.baseAddress, Int32(count), out.baseAddress)
            }
            filled = size
        }
        return (logits, status == Int32(XK_OK))
    }

    /// The logits of the last row of `activations`.
    public func lastLogits(of activations: [Float]) throws(EngineError) -> [Float] {
        try logits(of: Array(activations.suffix(model.architecture.hidden)))
    }

    /// How many positions these activations are; throws unless they are whole rows of finite
    /// numbers.
    func rows(_ activations: [Float]) throws(EngineError) -> Int {
        let hidden = model.architecture.hidden
        if activations.isEmpty { throw .emptyInput }
        let count = activations.count / hidden
        guard activations.count == count * hidden else {
            throw .wrongActivationCount(expected: (count + 1) * hidden, found: activations.count)
        }
        guard Self.areFinite(activations[...]) else { throw .inputNotFinite }
        return count
    }

    static func areFinite(_ numbers: ArraySlice<Float>) -> Bool {
        unsafe numbers.withUnsafeBufferPointer {
            unsafe xk_all_finite($0.baseAddress, $0.count) != 0
        }
    }

    /// How many positions this input is; throws unless this stage takes it.
    func check(_ input: PassInput) throws(EngineError) -> Int {
        switch input {
        case .tokens(let tokens):
            guard isFirst else { throw .notFirstStage }
            if tokens.isEmpty { throw .emptyInput }
            try check(tokens)
            return tokens.count
        case .activations(let activations):
            if isFirst { throw .isFirstStage }
            return try rows(activations)
        }
    }

    /// Throws for a token that is not in the vocabulary.
    func check(_ tokens: some Sequence<Int32>) throws(EngineError) {
        let vocabulary = model.architecture.vocabulary
        if let stranger = tokens.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw .tokenOutOfRange(stranger)
        }
    }

    /// The rows that go into the first of this stage's layers, of input that was checked.
    func rows(_ input: PassInput) -> [Float] {
        switch input {
        case .tokens(let tokens): embed(tokens)
        case .activations(let activations): activations
        }
    }

    /// The embedding rows of tokens that were checked.
    private func embed(_ tokens: [Int32]) -> [Float] {
        let hidden = model.architecture.hidden
        guard let info = model.file.tensor("token_embd.weight") else { return [] }
        var matrix = unsafe StageBuilder(model.file, model.architecture).tensor(info)
        var rows = [Float](repeating: 0, count: tokens.count * hidden)
        unsafe rows.withUnsafeMutableBufferPointer { out in
            guard let base = out.baseAddress else { return }
            for (index, token) in tokens.enumerated() {
                unsafe xk_tensor_row(&matrix, token, base + index * hidden)
            }
        }
        if model.architecture.family.scalesEmbedding {
            let scale = Float(hidden).squareRoot()
            for index in rows.indices { rows[index] *= scale }
        }
        return rows
    }
}
