import Cryptography
public import Primitives

/// What a model is, down to every weight: the record a model is registered, priced and verified
/// by. Two providers serve the same model exactly when their manifests have the same root.
public struct ModelManifest: CanonicalCodable, Hashable, Sendable {
    /// The name people use; part of the root.
    public var name: String
    /// Sizes and constants.
    public var architecture: ModelArchitecture
    /// The hash of the tokenizer's tables.
    public var tokenizerHash: Digest
    /// The number format of most weights: `Q4_1`.
    public var quantisation: String
    /// The arithmetic contract: `ModelFile.profile`.
    public var profile: Digest
    /// One root per layer, over the weights of its tensors.
    public var layerRoots: [Digest]
    /// The root over the embedding, which the first stage holds.
    public var headRoot: Digest
    /// The root over the final norm and the output matrix, which the last stage holds.
    public var tailRoot: Digest

    /// A manifest with all its fields.
    public init(
        name: String, architecture: ModelArchitecture, tokenizerHash: Digest,
        quantisation: String, profile: Digest, layerRoots: [Digest], headRoot: Digest,
        tailRoot: Digest
    ) {
        self.name = name
        self.architecture = architecture
        self.tokenizerHash = tokenizerHash
        self.quantisation = quantisation
        self.profile = profile
        self.layerRoots = layerRoots
        self.headRoot = headRoot
        self.tailRoot = tailRoot
    }

    /// How many layers.
    public var layers: Int { architecture.layers }
    /// Numbers in the residual stream of one position.
    public var hidden: Int { architecture.hidden }
    /// How many tokens there are.
    public var vocabulary: Int { architecture.vocabulary }
    /// How many positions the model was made for.
    public var context: Int { architecture.contextLength }

    /// The root of the model: SHA-256 of `exchequer-model-v1` and the canonical encoding.
    public var root: Digest {
        var writer = ByteWriter()
        writer.write("exchequer-model-v1")
        writer.write(self)
        return SHA256.hash(writer.bytes)
    }

    /// The root of what a stage of these layers holds: the embedding if it has the first layer,
    /// its layers, and the final norm and output if it has the last. The zero digest, which is
    /// the root of nothing, for a range the model does not have.
    public func weightsRoot(of range: LayerRange) -> Digest {
        guard Int(range.end) <= layerRoots.count else { return .zero }
        var roots = Array(layerRoots[Int(range.first)..<Int(range.end)])
        if range.first == 0 { roots.insert(headRoot, at: 0) }
        if Int(range.end) == layerRoots.count { roots.append(tailRoot) }
        var writer = ByteWriter()
        writer.write("exchequer-stage-v1")
        writer.write(range)
        writer.write(MerkleTree(leaves: roots).root)
        return SHA256.hash(writer.bytes)
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(architecture)
        writer.write(tokenizerHash)
        writer.write(quantisation)
        writer.write(profile)
        writer.write(UInt32(layerRoots.count))
        for root in layerRoots { writer.write(root) }
        writer.write(headRoot)
        writer.write(tailRoot)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let name = try reader.readString(limit: 256)
        let architecture: ModelArchitecture = try reader.read()
        let tokenizerHash = try reader.readDigest()
        let quantisation = try reader.readString(limit: 16)
        let profile = try reader.readDigest()
        let count = try reader.readCount(limit: ModelArchitecture.Limit.layers)
        guard count == architecture.layers else { throw .invalidValue("layer roots") }
        var layerRoots: [Digest] = []
        for _ in 0..<count { layerRoots.append(try reader.readDigest()) }
        self.init(
            name: name, architecture: architecture, tokenizerHash: tokenizerHash,
            quantisation: quantisation, profile: profile, layerRoots: layerRoots,
            headRoot: try reader.readDigest(), tailRoot: try reader.readDigest())
    }
}

extension ModelFile {
    /// Hashes all weights and makes the manifest. Takes time in proportion to the file: keep the
    /// result.
    ///
    /// - Parameter name: what to register the model as; at most 256 bytes are kept. The file's
    ///   own name if left out.
    public func manifest(name: String? = nil) -> ModelManifest {
        let hasher = WeightHasher(file)
        let layout = ModelLayout(architecture)
        let layerRoots = (0..<architecture.layers).map { layer in
            hasher.root(of: layout.tensors(of: layer, in: file))
        }
        var chosen = Substring(name ?? self.name)
        while chosen.utf8.count > 256 { chosen.removeLast() }
        return ModelManifest(
            name: String(chosen), architecture: architecture, tokenizerHash: tokenizer.digest,
            quantisation: quantisation, profile: profile, layerRoots: layerRoots,
            headRoot: hasher.root(of: ModelLayout.headTensors),
            tailRoot: hasher.root(of: ModelLayout.tailTensors(file)))
    }
}
