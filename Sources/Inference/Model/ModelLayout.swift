/// Which tensors a model must have, and with which shapes. A file with a tensor too many is
/// refused: it would be an input to the model that this engine ignores.
struct ModelLayout {
    let architecture: ModelArchitecture

    init(_ architecture: ModelArchitecture) {
        self.architecture = architecture
    }

    /// A tensor and its shape: inputs and outputs of a matrix, or a vector.
    struct Part {
        let name: String
        let columns: Int
        var rows: Int?

        init(_ name: String, _ columns: Int, _ rows: Int? = nil) {
            self.name = name
            self.columns = columns
            self.rows = rows
        }

        var dimensions: [Int] { rows.map { [columns, $0] } ?? [columns] }
    }

    /// What the angles of each pair are divided by, in all layers; Llama 3.1 and later.
    static let ropeFactors = "rope_freqs.weight"

    /// The greatest angle is `context / least factor`, and the sine is exact below 100,000,000.
    private static let ropeFactorRange: ClosedRange<Float> = 1 / 64...1_000_000

    static func layerTensor(_ layer: Int, _ part: String) -> String { "blk.\(layer).\(part)" }

    /// The tensors of one layer, in the order of their roots in the manifest.
    var layerParts: [Part] {
        let (hidden, feed) = (architecture.hidden, architecture.feed)
        let wide = architecture.heads * architecture.headSize
        let narrow = architecture.keyValueHeads * architecture.headSize
        var parts = [
            Part("attn_norm.weight", hidden), Part("attn_q.weight", hidden, wide),
            Part("attn_k.weight", hidden, narrow), Part("attn_v.weight", hidden, narrow),
            Part("attn_output.weight", wide, hidden), Part("ffn_norm.weight", hidden),
            Part("ffn_gate.weight", hidden, feed), Part("ffn_up.weight", hidden, feed),
            Part("ffn_down.weight", feed, hidden),
        ]
        let family = architecture.family
        if family.hasBiases {
            parts += [
                Part("attn_q.bias", wide), Part("attn_k.bias", narrow), Part("attn_v.bias", narrow),
            ]
        }
        if family.normsHeads {
            let size = architecture.headSize
            parts += [Part("attn_q_norm.weight", size), Part("attn_k_norm.weight", size)]
        }
        if family.normsResults {
            parts += [
                Part("post_attention_norm.weight", hidden), Part("post_ffw_norm.weight", hidden),
            ]
        }
        return parts
    }

    /// The tensors that decide what a layer computes, in the order of their roots in the manifest.
    func tensors(of layer: Int, in file: GGUFFile) -> [String] {
        let own = layerParts.map { Self.layerTensor(layer, $0.name) }
        return file.tensor(Self.ropeFactors) == nil ? own : own + [Self.ropeFactors]
    }

    /// The tensors of the first stage besides its layers.
    static let headTensors = ["token_embd.weight"]

    /// The tensors of the last stage besides its layers.
    static func tailTensors(_ file: GGUFFile) -> [String] {
        let output = file.tensor("output.weight") == nil ? "token_embd.weight" : "output.weight"
        return ["output_norm.weight", output]
    }

    /// The tensors that every file of this architecture has, and those of `file` that it may have.
    private func expected(in file: GGUFFile) -> [Part] {
        let (hidden, vocabulary) = (architecture.hidden, architecture.vocabulary)
        var expected = [
            Part("token_embd.weight", hidden, vocabulary), Part("output_norm.weight", hidden),
        ]
        if file.tensor("output.weight") != nil {
            expected.append(Part("output.weight", hidden, vocabulary))
        }
        if architecture.family.mayHaveRopeFactors, file.tensor(Self.ropeFactors) != nil {
            expected.append(Part(Self.ropeFactors, architecture.ropeSize / 2))
        }
        let parts = layerParts
        for layer in 0..<architecture.layers {
            expected += parts.map {
                Part(Self.layerTensor(layer, $0.name), $0.columns, $0.rows)
            }
        }
        return expected
    }

    /// Throws unless `file` has exactly the tensors of this architecture.
    func check(_ file: GGUFFile) throws(ModelError) {
        let expected = expected(in: file)
        for part in expected {
            guard let tensor = file.tensor(part.name) else {
                throw ModelError(.missingTensor, part.name)
            }
            guard tensor.dimensions == part.dimensions else {
                throw ModelError(
                    .wrongShape, "\(part.name): \(tensor.dimensions), not \(part.dimensions)")
            }
            if part.rows == nil, tensor.type != .f32 {
                throw ModelError(.wrongTensorType, part.name)
            }
        }
        if expected.count != file.tensors.count {
            let known = Set(expected.map(\.name))
            let stranger = file.tensors.first { !known.contains($0.name) }
            throw ModelError(.unexpectedTensor, stranger?.name ?? "unknown")
        }
        try checkRopeFactors(file)
    }

    private func checkRopeFactors(_ file: GGUFFile) throws(ModelError) {
        guard let tensor = file.tensor(Self.ropeFactors) else { return }
        let bytes = file.copyBytes(tensor, offset: 0, count: tensor.byteCount)
        for start in stride(from: 0, to: bytes.count, by: 4) {
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << (8 * $1) }
            let factor = Float(bitPattern: bits)
            guard Self.ropeFactorRange.contains(factor) else {
                throw ModelError(.invalidArchitecture, "\(Self.ropeFactors): \(factor)")
            }
        }
    }
}
