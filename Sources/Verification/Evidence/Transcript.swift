import Cryptography
public import Primitives

/// What one stage took in and gave out, position by position, as two Merkle roots that grow while
/// the answer streams. The formats are in docs/reference/evidence.md:
///
/// ```
/// token leaf       u32 position | i32 token                       input of the first stage
/// activation leaf  u32 position | hidden x F32                    between two stages
/// unsampled leaf   u32 position | u8 0                            last stage, position < P - 1
/// sampled leaf     u32 position | u8 2 | i32 token | logits (32) | sampling (32)
/// ```
///
/// P is the number of prompt tokens, `logits` what `hash(row:logits:)` gives, `sampling` the
/// SHA-256 of the sampling parameters. All numbers are little endian. Serving and re-execution
/// fill the same type, so that they cannot differ in format.
public struct Transcript: Sendable {
    private var inputs = Side()
    private var outputs = Side()

    /// Nothing in, nothing out.
    public init() {}

    /// A tree with its leaves, so that the last ones can be taken back.
    private struct Side: Sendable {
        private(set) var tree = MerkleAccumulator()
        private var leaves: [Digest] = []

        mutating func append(leaf: Digest) {
            tree.append(leaf: leaf)
            leaves.append(leaf)
        }

        mutating func truncate(to count: Int) {
            guard count < leaves.count else { return }
            leaves.removeLast(leaves.count - count)
            tree = MerkleAccumulator()
            for leaf in leaves { tree.append(leaf: leaf) }
        }
    }

    /// How many positions came in.
    public var inputCount: Int { Int(inputs.tree.count) }
    /// How many positions went out.
    public var outputCount: Int { Int(outputs.tree.count) }
    /// The root over what came in.
    public var inputRoot: Digest { inputs.tree.root }
    /// The root over what went out.
    public var outputRoot: Digest { outputs.tree.root }

    /// Forgets every position from `position` on: what comes next is as if they had never been.
    /// O(n) hashes for the n positions that stay.
    public mutating func truncate(to position: Int) {
        inputs.truncate(to: max(position, 0))
        outputs.truncate(to: max(position, 0))
    }

    /// A token came in.
    public mutating func receive(token: Int32) {
        inputs.append(
            leaf: MerkleTree.leaf(TranscriptLeaf.token(token, position: UInt32(inputCount))))
    }

    /// One row of activations came in.
    public mutating func receive(row: ArraySlice<Float>) {
        inputs.append(leaf: TranscriptLeaf.activation(row, position: UInt32(inputCount)))
    }

    /// One row of activations went out.
    public mutating func send(row: ArraySlice<Float>) {
        outputs.append(leaf: TranscriptLeaf.activation(row, position: UInt32(outputCount)))
    }

    /// The last stage passed a position of the prompt whose next token is known already.
    public mutating func passUnsampled() {
        outputs.append(
            leaf: MerkleTree.leaf(TranscriptLeaf.unsampled(position: UInt32(outputCount))))
    }

    /// The last stage chose the token that follows its next position.
    public mutating func sample(token: Int32, logits: Digest, sampling: Digest) {
        outputs.append(
            leaf: MerkleTree.leaf(
                TranscriptLeaf.sampled(
                    token, logits: logits, sampling: sampling, position: UInt32(outputCount))))
    }

    /// The input root of a first stage that was given these tokens.
    public static func root(tokens: [Int32]) -> Digest {
        var transcript = Transcript()
        for token in tokens { transcript.receive(token: token) }
        return transcript.inputRoot
    }

    /// The root of a boundary: `bytes` are rows of `width` bytes each, whole rows only.
    public static func root(boundary bytes: [UInt8], width: Int) -> Digest {
        precondition(width > 0 && bytes.count.isMultiple(of: width), "a boundary is whole rows")
        var tree = MerkleAccumulator()
        for start in stride(from: 0, to: bytes.count, by: width) {
            tree.append(
                leaf: TranscriptLeaf.activation(
                    bytes: bytes[start..<start + width], position: UInt32(tree.count)))
        }
        return tree.root
    }

    /// The output root of a last stage that chose these tokens from logits with these hashes,
    /// after a prompt of `promptTokens`: how the house checks, before it accepts the last stage's
    /// receipt, that it commits to the tokens the buyer was given.
    ///
    /// `nil` if the prompt is empty or there is not one hash for each token.
    public static func root(
        sampled tokens: [Int32], logits: [Digest], sampling: Digest, promptTokens: Int
    ) -> Digest? {
        guard promptTokens > 0, tokens.count == logits.count else { return nil }
        var transcript = Transcript()
        for _ in 0..<(promptTokens - 1) { transcript.passUnsampled() }
        for (token, hash) in zip(tokens, logits) {
            transcript.sample(token: token, logits: hash, sampling: sampling)
        }
        return transcript.outputRoot
    }

    /// The hash of what a token was chosen from: the row that came out of the last layer, which
    /// the logits follow from, and the logits folded to 128 bytes.
    ///
    /// `SHA-256("exchequer-logits-v1" counted | hidden x F32 | 32 x u32 lane)`
    public static func hash(row: ArraySlice<Float>, logits: ArraySlice<Float>) -> Digest {
        unsafe row.withUnsafeBytes { row in
            unsafe logits.withUnsafeBytes { unsafe LogitsFold.hash(row: row, logits: $0) }
        }
    }

    /// The hash of what a job is about: its prompt and its sampling parameters. It is the job's
    /// `input` in the journal, set before any node sees the job.
    ///
    /// `SHA-256("exchequer-request-v1" counted | u32 count | i32 tokens | counted sampling bytes)`
    public static func request(prompt: ArraySlice<Int32>, sampling: [UInt8]) -> Digest {
        var writer = ByteWriter()
        writer.write("exchequer-request-v1")
        writer.write(UInt32(prompt.count))
        for token in prompt { writer.write(UInt32(bitPattern: token)) }
        writer.write(sampling)
        return SHA256.hash(writer.bytes)
    }
}
