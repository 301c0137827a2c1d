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

    /// The numbers of a vector; null for one that this family or this file does not have.
    private func floats(_ name: String) -> UnsafePointer<Float>? {
        guard let info = file.tensor(name) else { return nil }
        return unsafe tensor(info).data.assumingMemoryBound(to: Float.self)
    }

    private func layer(_ index: Int) throws(ModelError) -> xk_layer {
        func name(_ part: String) -> String { ModelLayout.layerTensor(index, part) }
        func matrix(_ part: String) throws(ModelError) -> xk_tensor {
            unsafe try tensor(name(part + ".weight"))
        }
        func vector(_ part: String) -> UnsafePointer<Float>? { unsafe floats(name(part)) }
        let window = architecture.window.map { $0.holds(layer: index) ? $0.size : 0 } ?? 0
        return unsafe xk_layer(
            attention_norm: vector("attn_norm.weight"), query: try matrix("attn_q"),
            key: try matrix("attn_k"), value: try matrix("attn_v"),
            output: try matrix("attn_output"), feed_norm: vector("ffn_norm.weight"),
            gate: try matrix("ffn_gate"), up: try matrix("ffn_up"), down: try matrix("ffn_down"),
            query_bias: vector("attn_q.bias"), key_bias: vector("attn_k.bias"),
            value_bias: vector("attn_v.bias"), query_norm: vector("attn_q_norm.weight"),
            key_norm: vector("attn_k_norm.weight"),
            attention_post_norm: vector("post_attention_norm.weight"),
            feed_post_norm: vector("post_ffw_norm.weight"), window: Int32(window))
    }

    private var shape: xk_shape {
        let family = architecture.family
        return unsafe xk_shape(
            hidden: Int32(architecture.hidden), feed: Int32(architecture.feed),
            heads: Int32(architecture.heads), kv_heads: Int32(architecture.keyValueHeads),
            head_size: Int32(architecture.headSize), rope_size: Int32(architecture.ropeSize),
            epsilon: architecture.epsilon, rope_base: architecture.ropeBase,
            rope_scale: architecture.ropeScale, rope_factors: floats(ModelLayout.ropeFactors),
            local_rope_base: architecture.window?.ropeBase ?? 0,
            rope_halves: family.rotatesHalves ? 1 : 0, gelu: family.usesGELU ? 1 : 0,
            score_size: Int32(architecture.scoreSize))
    }

    /// Makes the stage; the caller destroys it.
    func build(
        _ range: LayerRange, threads: Int, path: KernelPath
    ) throws(ModelError) -> OpaquePointer {
        var shape = unsafe self.shape
        var layers: [xk_layer] = unsafe []
        for index in Int(range.first)..<Int(range.end) {
            unsafe layers.append(try layer(index))
        }
        var error: Int32 = 0
        let stage: OpaquePointer?
        if Int(range.end) == architecture.layers {
            let names = ModelLayout.tailTensors(file)
            var tail = unsafe try tensor(names[1])
            let norm = unsafe floats(names[0])
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
