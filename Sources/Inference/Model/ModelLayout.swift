/// Which tensors a model must have, and with which shapes. A file with a tensor too many is
/// refused: it would be an input to the model that this engine ignores.
struct ModelLayout {
    let architecture: ModelArchitecture

    init(_ architecture: ModelArchitecture) {
        self.architecture = architecture
    }

    /// The tensors of one layer, in the order of their roots in the manifest.
    static let layerParts = [
        "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up",
        "ffn_down",
    ]

    static func layerTensor(_ layer: Int, _ part: String) -> String {
        "blk.\(layer).\(part).weight"
    }

    /// The tensors of the first stage besides its layers.
    static let headTensors = ["token_embd.weight"]

    /// The tensors of the last stage besides its layers.
    static func tailTensors(_ file: GGUFFile) -> [String] {
        let output = file.tensor("output.weight") == nil ? "token_embd.weight" : "output.weight"
        return ["output_norm.weight", output]
    }

    /// Inputs and outputs of a part of a layer; no outputs for a norm.
    func shape(of part: String) -> (columns: Int, rows: Int?) {
        let hidden = architecture.hidden
        let wide = architecture.heads * architecture.headSize
        let narrow = architecture.keyValueHeads * architecture.headSize
        switch part {
        case "attn_q": return (hidden, wide)
        case "attn_k", "attn_v": return (hidden, narrow)
        case "attn_output": return (wide, hidden)
        case "ffn_gate", "ffn_up": return (hidden, architecture.feed)
        case "ffn_down": return (architecture.feed, hidden)
        default: return (hidden, nil)
        }
    }

    /// Throws unless `file` has exactly the tensors of this architecture.
    func check(_ file: GGUFFile) throws(ModelError) {
        var expected = 0
        func require(_ name: String, _ columns: Int, _ rows: Int?) throws(ModelError) {
            expected += 1
            guard let tensor = file.tensor(name) else { throw ModelError(.missingTensor, name) }
            let shape = rows.map { [columns, $0] } ?? [columns]
            guard tensor.dimensions == shape else {
                throw ModelError(.wrongShape, "\(name): \(tensor.dimensions), not \(shape)")
            }
            if rows == nil, tensor.type != .f32 { throw ModelError(.wrongTensorType, name) }
        }
        let (hidden, vocabulary) = (architecture.hidden, architecture.vocabulary)
        try require("token_embd.weight", hidden, vocabulary)
        try require("output_norm.weight", hidden, nil)
        if file.tensor("output.weight") != nil {
            try require("output.weight", hidden, vocabulary)
        }
        for layer in 0..<architecture.layers {
            for part in Self.layerParts {
                let (columns, rows) = shape(of: part)
                try require(Self.layerTensor(layer, part), columns, rows)
            }
        }
        if expected != file.tensors.count { throw unexpected(file) }
    }

    private func unexpected(_ file: GGUFFile) -> ModelError {
        let known = Set(
            ["token_embd.weight", "output_norm.weight", "output.weight"]
                + (0..<architecture.layers).flatMap { layer in
                    Self.layerParts.map { Self.layerTensor(layer, $0) }
                })
        let stranger = file.tensors.first { !known.contains($0.name) }
        return ModelError(.unexpectedTensor, stranger?.name ?? "unknown")
    }
}
