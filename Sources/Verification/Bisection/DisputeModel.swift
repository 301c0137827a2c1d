public import Primitives

/// What the bisection game must know about a model: sizes, and the roots and shapes of its weights.
/// `ModelManifest.disputeModel` of `Inference` makes it.
public struct DisputeModel: Hashable, Sendable {
    /// A tensor of a group.
    public struct Tensor: Hashable, Sendable {
        /// The names it may have.
        public let names: [String]
        /// Inputs and outputs of a matrix; only the count of a norm.
        public let dimensions: [Int]

        /// A tensor of one of these names.
        public init(names: [String], dimensions: [Int]) {
            self.names = names
            self.dimensions = dimensions
        }

        /// Numbers in a row: 1 for a norm, whose rows are its numbers.
        public var columns: Int { dimensions.count == 1 ? 1 : dimensions[0] }
        /// How many rows.
        public var rows: Int { dimensions[dimensions.count - 1] }
    }

    /// Tensors under one root of the manifest.
    public struct Group: Hashable, Sendable {
        /// The root.
        public let root: Digest
        /// The tensors, in the order of the tree.
        public let tensors: [Tensor]

        /// A group of these tensors.
        public init(root: Digest, tensors: [Tensor]) {
            self.root = root
            self.tensors = tensors
        }
    }

    /// The root of the model.
    public var root: Digest
    /// The arithmetic contract.
    public var profile: Digest
    /// Numbers in a row.
    public var hidden: Int
    /// Numbers inside the feed-forward part.
    public var feed: Int
    /// Query heads.
    public var heads: Int
    /// Key-value heads.
    public var keyValueHeads: Int
    /// Numbers of a head.
    public var headSize: Int
    /// How many tokens there are.
    public var vocabulary: Int
    /// The embedding.
    public var head: Group
    /// For each layer: attention norm, q, k, v, output, feed norm, gate, up, down.
    public var layers: [Group]
    /// The final norm and the output matrix.
    public var tail: Group

    /// A model with all its parts.
    public init(
        root: Digest, profile: Digest, hidden: Int, feed: Int, heads: Int, keyValueHeads: Int,
        headSize: Int, vocabulary: Int, head: Group, layers: [Group], tail: Group
    ) {
        self.root = root
        self.profile = profile
        self.hidden = hidden
        self.feed = feed
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headSize = headSize
        self.vocabulary = vocabulary
        self.head = head
        self.layers = layers
        self.tail = tail
    }

    /// Bytes that the cache holds of one position in one layer: keys, then values.
    public var cacheBytes: Int { 4 * keyValueHeads * headSize }

    /// The shape of what an operation gives at a position; `nil` for those that make a leaf.
    public func shape(of operation: StageOperation, at position: Int) -> OperationShape? {
        switch operation {
        case .attentionNorm, .output, .attentionResidual, .feedNorm, .down, .finalNorm:
            OperationShape(length: hidden)
        case .query: OperationShape(length: heads * headSize)
        case .key, .value: OperationShape(length: keyValueHeads * headSize)
        case .rotateQuery, .mix: OperationShape(groups: heads, length: headSize)
        case .rotateKey: OperationShape(groups: keyValueHeads, length: headSize)
        case .scores: OperationShape(groups: heads, length: position + 1)
        case .softmax: OperationShape(groups: heads, length: position + 2)
        case .gate, .up, .activation: OperationShape(length: feed)
        case .logits: OperationShape(length: vocabulary)
        case .embed, .cache, .feedResidual, .sample: nil
        }
    }

    /// The place of an operation's weights among the tensors of its group; `nil` if it has none.
    public static func tensorIndex(of operation: StageOperation) -> Int? {
        switch operation {
        case .embed, .attentionNorm, .finalNorm: 0
        case .query, .logits: 1
        case .key: 2
        case .value: 3
        case .output: 4
        case .feedNorm: 5
        case .gate: 6
        case .up: 7
        case .down: 8
        default: nil
        }
    }
}

/// One piece of what an operation reads.
public enum OperationInput: Hashable, Sendable {
    /// The token that came in.
    case token
    /// The row of the state before.
    case row
    /// Blocks of what an operation of the same unit gave.
    case vector(StageOperation, blocks: Range<Int>)
    /// What the layer's cache holds of these positions.
    case cached(positions: Range<Int>)
    /// Rows of the operation's weights.
    case weights(rows: Range<Int>)
}

extension DisputeModel {
    /// What an operation reads to make one block of its result (or, of no shape, its leaf), in the
    /// order in which a proof opens it; weights come last. `token` is the row of an embedding.
    func inputs(
        of operation: StageOperation, block: Int, at position: Int, token: Int
    ) -> [OperationInput] {
        func all(_ other: StageOperation) -> OperationInput {
            .vector(other, blocks: 0..<(shape(of: other, at: position)?.blocks ?? 0))
        }
        func same(_ other: StageOperation) -> OperationInput {
            .vector(other, blocks: block..<block + 1)
        }
        func head(_ other: StageOperation, _ head: Int) -> OperationInput {
            .vector(other, blocks: shape(of: other, at: position)?.blocks(ofGroup: head) ?? 0..<0)
        }
        let place =
            shape(of: operation, at: position)?.place(of: block) ?? (group: 0, numbers: 0..<0)
        let rows = OperationInput.weights(rows: place.numbers)
        switch operation {
        case .embed: return [.token, .weights(rows: token..<token + 1)]
        case .attentionNorm, .finalNorm: return [.row, rows]
        case .query, .key, .value: return [all(.attentionNorm), rows]
        case .rotateQuery: return [slice(of: .query, place, at: position)]
        case .rotateKey: return [slice(of: .key, place, at: position)]
        case .cache: return [all(.rotateKey), all(.value)]
        case .scores: return [head(.rotateQuery, place.group), .cached(positions: place.numbers)]
        case .softmax: return [head(.scores, place.group)]
        case .mix:
            return [head(.softmax, place.group), .cached(positions: 0..<position + 1)]
        case .output: return [all(.mix), rows]
        case .attentionResidual: return [.row, same(.output)]
        case .feedNorm: return [all(.attentionResidual), rows]
        case .gate, .up: return [all(.feedNorm), rows]
        case .activation: return [same(.gate), same(.up)]
        case .down: return [all(.activation), rows]
        case .feedResidual: return [all(.attentionResidual), all(.down)]
        case .logits: return [all(.finalNorm), rows]
        case .sample: return [.row, all(.logits)]
        }
    }

    /// The blocks of a matrix product that hold some numbers of a head.
    private func slice(
        of operation: StageOperation, _ place: (group: Int, numbers: Range<Int>), at position: Int
    ) -> OperationInput {
        let first = place.group * headSize + place.numbers.lowerBound
        let last = place.group * headSize + place.numbers.upperBound - 1
        let length = OperationShape.blockLength
        return .vector(operation, blocks: first / length..<last / length + 1)
    }
}
