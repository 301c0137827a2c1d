import Cryptography
public import Primitives

/// Asks a node to show that it holds the weights it offers: some rows, drawn from a nonce nobody
/// could know before (docs/reference/weight-proofs.md).
public struct WeightChallenge: CanonicalCodable, Hashable, Sendable {
    /// The text a challenge starts with.
    public static let domain = "exchequer-weight-challenge-v1"
    /// The most rows of one challenge.
    public static let maximumRows: UInt16 = 64
    /// Rows of a usual challenge.
    public static let usualRows: UInt16 = 4

    /// The node that is asked: an answer of another node is none.
    public var node: PublicKey
    /// The root of the model.
    public var model: Digest
    /// The layers offered.
    public var layers: LayerRange
    /// What the rows are drawn from.
    public var nonce: Digest
    /// How many rows.
    public var rows: UInt16

    /// A challenge with its parts.
    public init(
        node: PublicKey, model: Digest, layers: LayerRange, nonce: Digest,
        rows: UInt16 = usualRows
    ) {
        self.node = node
        self.model = model
        self.layers = layers
        self.nonce = nonce
        self.rows = rows
    }

    /// Its identity, which the answer names.
    public var digest: Digest { SHA256.hash(canonicalBytes()) }

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.domain)
        writer.write(node)
        writer.write(model)
        writer.write(layers)
        writer.write(nonce)
        writer.write(rows)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readString(limit: Self.domain.utf8.count) == Self.domain else {
            throw .invalidValue("challenge version")
        }
        self.init(
            node: try reader.read(), model: try reader.readDigest(), layers: try reader.read(),
            nonce: try reader.readDigest(), rows: try reader.readUInt16())
        guard (1...Self.maximumRows).contains(rows) else { throw .invalidValue("rows") }
    }
}

/// A row of weights that a challenge asks for.
public struct WeightPlace: Hashable, Sendable {
    /// The step whose weights these are: the embedding, a layer or the tail.
    public let step: StageStep
    /// The tensor's place among those of the step.
    public let tensor: Int
    /// The row; of a norm, the number.
    public let row: Int
}

extension WeightChallenge {
    /// The rows that are asked for: each number of the stage's weights is as likely as any other.
    /// Number i of the challenge is at `u64(H(nonce | u32 i)) mod numbers`, its first eight bytes
    /// little endian. Empty for layers the model does not have.
    public func places(in model: DisputeModel) -> [WeightPlace] {
        let groups = model.groups(of: layers)
        let total = groups.reduce(UInt64(0)) { $0 + $1.group.numbers }
        if total == 0 { return [] }
        return (0..<UInt32(rows)).map { index in
            var writer = ByteWriter()
            writer.write(nonce)
            writer.write(index)
            let words = SHA256.hash(writer.bytes).words
            return Self.place(words.0.byteSwapped % total, groups)
        }
    }

    private static func place(
        _ number: UInt64, _ groups: [(step: StageStep, group: DisputeModel.Group)]
    ) -> WeightPlace {
        var rest = number
        for (step, group) in groups {
            for (index, tensor) in group.tensors.enumerated() {
                if rest < tensor.numbers {
                    return WeightPlace(
                        step: step, tensor: index, row: Int(rest) / tensor.columns)
                }
                rest -= tensor.numbers
            }
        }
        preconditionFailure("a number below the sum is in one of the tensors")
    }
}

extension DisputeModel.Tensor {
    /// How many numbers it has.
    var numbers: UInt64 { UInt64(columns) * UInt64(rows) }
}

extension DisputeModel.Group {
    var numbers: UInt64 { tensors.reduce(0) { $0 + $1.numbers } }
}

extension DisputeModel {
    /// What a stage of these layers holds, in order; empty for layers that are not there.
    func groups(of range: LayerRange) -> [(step: StageStep, group: Group)] {
        guard Int(range.end) <= layers.count else { return [] }
        var groups: [(step: StageStep, group: Group)] = []
        if range.first == 0 { groups.append((.embedding, head)) }
        for layer in range.first..<range.end { groups.append((.layer(layer), layers[Int(layer)])) }
        if Int(range.end) == layers.count { groups.append((.tail, tail)) }
        return groups
    }

    /// The weights of a step.
    func group(of step: StageStep) -> Group {
        switch step {
        case .embedding: head
        case .layer(let layer): layers[Int(layer)]
        case .tail: tail
        }
    }
}
