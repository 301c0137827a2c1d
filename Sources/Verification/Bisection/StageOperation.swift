import Cryptography
public import Primitives

/// What a stage computes at one position, operation by operation: the vocabulary of the bisection
/// game. The arithmetic of each is in docs/reference/numerics-v1.md; the numbers are stable.
public enum StageOperation: UInt8, CaseIterable, Hashable, Sendable {
    /// The embedding of a token: a row.
    case embed = 1
    /// The norm before attention.
    case attentionNorm = 2
    /// The query matrix.
    case query = 3
    /// The key matrix.
    case key = 4
    /// The value matrix.
    case value = 5
    /// The rotation of the queries, head by head.
    case rotateQuery = 6
    /// The rotation of the keys, head by head.
    case rotateKey = 7
    /// Rotated key and value in half precision: what the cache holds of a position.
    case cache = 8
    /// For each head, a score for each position up to this one.
    case scores = 9
    /// For each head, the exponential of each score and then the inverse of their sum.
    case softmax = 10
    /// For each head, the weighted sum of the values.
    case mix = 11
    /// The output matrix of attention.
    case output = 12
    /// Attention added to the row that came in.
    case attentionResidual = 13
    /// The norm before the feed-forward part.
    case feedNorm = 14
    /// The gate matrix.
    case gate = 15
    /// The up matrix.
    case up = 16
    /// The gate's activation times up.
    case activation = 17
    /// The down matrix.
    case down = 18
    /// The feed-forward part added: the row that goes out.
    case feedResidual = 19
    /// The norm after the last layer.
    case finalNorm = 20
    /// The output matrix: logits.
    case logits = 21
    /// The choice of a token.
    case sample = 22
}

/// The operations behind one leaf, in the order in which each depends only on those before it. The
/// last one makes the leaf.
public enum OperationUnit: UInt8, CaseIterable, Hashable, Sendable {
    /// A token becomes a row.
    case embedding = 1
    /// A position's key and value in a layer.
    case cache = 2
    /// A position's row after a layer, given the cache of the layer.
    case layer = 3
    /// A token is chosen.
    case tail = 4
    /// A position of the prompt whose next token is known already.
    case unsampled = 5

    /// The operations, in order.
    public var operations: [StageOperation] {
        switch self {
        case .embedding: [.embed]
        case .cache: [.attentionNorm, .key, .value, .rotateKey, .cache]
        case .layer:
            [
                .attentionNorm, .query, .rotateQuery, .scores, .softmax, .mix, .output,
                .attentionResidual, .feedNorm, .gate, .up, .activation, .down, .feedResidual,
            ]
        case .tail: [.finalNorm, .logits, .sample]
        case .unsampled: [.sample]
        }
    }
}

/// How the numbers an operation gives are laid out and committed to: `groups` heads (or one) of
/// `length` F32 numbers each, cut into blocks of at most 32 that never cross a group. The
/// commitment is the root of the `MerkleTree` over the blocks' bytes, little endian.
public struct OperationShape: Hashable, Sendable {
    /// Numbers in a block; the last of a group may have fewer.
    public static let blockLength = 32

    /// How many groups.
    public let groups: Int
    /// Numbers in a group.
    public let length: Int

    /// A shape; one group if nothing is said.
    public init(groups: Int = 1, length: Int) {
        self.groups = groups
        self.length = length
    }

    /// Blocks of one group.
    public var groupBlocks: Int { (length + Self.blockLength - 1) / Self.blockLength }
    /// All blocks.
    public var blocks: Int { groups * groupBlocks }

    /// The blocks of one group.
    public func blocks(ofGroup group: Int) -> Range<Int> {
        group * groupBlocks..<(group + 1) * groupBlocks
    }

    /// The group of a block, and the numbers of the group that it holds.
    public func place(of block: Int) -> (group: Int, numbers: Range<Int>) {
        let first = block % groupBlocks * Self.blockLength
        return (block / groupBlocks, first..<min(first + Self.blockLength, length))
    }

    /// Where the bytes of some neighbouring blocks are among the bytes of all.
    public func bytes(of blocks: Range<Int>) -> Range<Int> {
        func start(_ block: Int) -> Int {
            4 * (block / groupBlocks * length + block % groupBlocks * Self.blockLength)
        }
        return start(blocks.lowerBound)..<start(blocks.upperBound)
    }

    /// The leaves of neighbouring blocks, given their bytes; `nil` if the bytes are not as many.
    public func leaves(of blocks: Range<Int>, bytes: [UInt8]) -> [Digest]? {
        let all = self.bytes(of: blocks)
        guard bytes.count == all.count else { return nil }
        return unsafe bytes.withUnsafeBytes { raw in
            blocks.map { block in
                let own = self.bytes(of: block..<block + 1)
                let start = own.lowerBound - all.lowerBound
                return unsafe MerkleTree.leaf(
                    UnsafeRawBufferPointer(rebasing: raw[start..<start + own.count]))
            }
        }
    }
}
