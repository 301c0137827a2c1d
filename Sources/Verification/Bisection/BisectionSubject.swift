public import Cryptography
public import Primitives

/// A step of a stage: from one state, which has a leaf for each position, to the next.
public enum StageStep: Hashable, Sendable {
    /// Tokens become rows.
    case embedding
    /// One layer, by its number in the model.
    case layer(UInt16)
    /// Rows become tokens.
    case tail
}

/// What a game is about: one stage's signed work, the sampling parameters of the request, and the
/// model. State 0 of the stage is what its input root commits to, the last state what its output
/// root commits to; the states between are what it computed after each step.
public struct BisectionSubject: Sendable {
    /// The accused stage's receipt.
    public let receipt: Verified<Receipt>
    /// The canonical sampling parameters of the request.
    public let sampling: [UInt8]
    /// The model that the receipt names.
    public let model: DisputeModel
    /// Who accuses.
    public let challenger: PublicKey
    /// The identity of the game, which every move names.
    public let id: Digest

    /// Throws `otherSubject` unless the receipt is about this model and its numbers can be.
    public init(
        receipt: Verified<Receipt>, sampling: [UInt8], model: DisputeModel, challenger: PublicKey
    ) throws(BisectionRejection) {
        let body = receipt.body
        guard body.model == model.root, body.profile == model.profile,
            Int(body.layers.end) <= model.layers.count
        else {
            throw BisectionRejection(
                .otherSubject, "the receipt is about model \(body.model), not \(model.root)")
        }
        guard body.positions >= 1, body.positions <= UInt32(EvidenceBundle.maximumPositions),
            body.promptTokens >= 1, body.promptTokens <= body.positions,
            sampling.count <= EvidenceBundle.maximumSampling
        else {
            throw BisectionRejection(
                .otherSubject,
                "\(body.positions) positions after \(body.promptTokens) prompt tokens")
        }
        self.receipt = receipt
        self.sampling = sampling
        self.model = model
        self.challenger = challenger
        var writer = ByteWriter()
        writer.write("exchequer-bisection-subject-v1")
        writer.write(body.digest)
        writer.write(SHA256.hash(sampling))
        writer.write(challenger)
        id = SHA256.hash(writer.bytes)
    }

    /// How many positions every state has.
    public var positions: Int { Int(receipt.body.positions) }

    /// The steps of the stage, in order; state k is before step k.
    public var steps: [StageStep] {
        let layers = receipt.body.layers
        return (layers.first == 0 ? [.embedding] : [])
            + (layers.first..<layers.end).map(StageStep.layer)
            + (Int(layers.end) == model.layers.count ? [.tail] : [])
    }

    /// Whether a step keeps keys and values.
    static func hasCache(_ step: StageStep) -> Bool {
        if case .layer = step { true } else { false }
    }

    /// What makes a leaf of a step at a position.
    func unit(of step: StageStep, inCache: Bool, at position: Int) -> OperationUnit {
        switch step {
        case .embedding: .embedding
        case .layer: inCache ? .cache : .layer
        case .tail: position + 1 < Int(receipt.body.promptTokens) ? .unsampled : .tail
        }
    }
}

/// The leaf of a layer's cache: H(0x00 | u16 layer | u32 position | keys | values), both in half
/// precision. The tree over the positions has the key-value root.
public enum CacheLeaf {
    /// The leaf hash of what the cache holds of one position.
    public static func hash(layer: UInt16, position: Int, bytes: ArraySlice<UInt8>) -> Digest {
        var prefix = ByteWriter()
        prefix.write(UInt8(0))
        prefix.write(layer)
        prefix.write(UInt32(position))
        var hasher = SHA256()
        hasher.update(prefix.bytes)
        unsafe bytes.withUnsafeBytes { unsafe hasher.update($0) }
        return hasher.finish()
    }
}
