import CKernels
import Primitives

/// Hands the tensors of some layers to the kernels. `ModelLayout` has checked that they exist.
struct StageBuilder {
    private let file: GGUFFile
    private let architecture: ModelArchitecture

    init(_ file: GGUFFile, _ architecture: ModelArchitecture) {
        self.file = file
        self.architecture = architecture
    }

    /// A tensor as the kernels see it; valid while the file lives.
    func tensor(_ info: TensorInfo) -> xk_tensor {
        unsafe xk_tensor(
            data: file.rawBytes(info).baseAddress, type: Int32(info.type.rawValue),
            rows: Int32(info.rows), columns: Int32(info.columns))
    }

    private func tensor(_ name: String) throws(ModelError) -> xk_tensor {
        guard let info = file.tensor(name) else { throw ModelError(.missingTensor, name) }
        return unsafe tensor(info)
    }

    private func floats(_ name: String) throws(ModelError) -> UnsafePointer<Float>? {
        unsafe try tensor(name).data.assumingMemoryBound(to: Float.self)
    }

    private func layer(_ index: Int) throws(ModelError) -> xk_layer {
        func name(_ part: String) -> String { ModelLayout.layerTensor(index, part) }
        return unsafe xk_layer(
            attention_norm: try floats(name("attn_norm")), query: try tensor(name("attn_q")),
            key: try tensor(name("attn_k")), value: try tensor(name("attn_v")),
            output: try tensor(name("attn_output")), feed_norm: try floats(name("ffn_norm")),
            gate: try tensor(name("ffn_gate")), up: try tensor(name("ffn_up")),
            down: try tensor(name("ffn_down")))
    }

    /// Makes the stage; the caller destroys it.
    func build(
        _ range: LayerRange, threads: Int, path: KernelPath
    ) throws(ModelError) -> OpaquePointer {
        var shape = xk_shape(
            hidden: Int32(architecture.hidden), feed: Int32(architecture.feed),
            heads: Int32(architecture.heads), kv_heads: Int32(architecture.keyValueHeads),
            head_size: Int32(architecture.headSize), rope_size: Int32(architecture.ropeSize),
            epsilon: architecture.epsilon, rope_base: architecture.ropeBase)
        var layers: [xk_layer] = unsafe []
        for index in Int(range.first)..<Int(range.end) {
            unsafe layers.append(try layer(index))
        }
        var error: Int32 = 0
        let stage: OpaquePointer?
        if Int(range.end) == architecture.layers {
            let names = ModelLayout.tailTensors(file)
            var tail = unsafe try tensor(names[1])
            let norm = unsafe try floats(names[0])
            unsafe stage = xk_stage_create(
                &shape, layers, Int32(layers.count), norm, &tail, Int32(threads), path.rawValue,
                &error)
        } else {
            unsafe stage = xk_stage_create(
                &shape, layers, Int32(layers.count), nil, nil, Int32(threads), path.rawValue,
                &error)
        }
        if let stage = unsafe stage { return unsafe stage }
        switch error {
        case Int32(XK_NOT_FINITE): throw ModelError(.weightsNotFinite, "layers \(range)")
        case Int32(XK_UNSUPPORTED_PATH): throw ModelError(.unsupportedPath, "\(path)")
        default: throw ModelError(.outOfMemory, "layers \(range)")
        }
    }
}
