public import Cryptography
public import Primitives
import Verification

/// The Merkle roots of weights, so that a dispute can open 64 KiB of one tensor.
///
/// Tensors are hashed as `TensorCommitment` says; a group's root is the tree over its tensors'
/// roots.
public struct WeightHasher: Sendable {
    private let file: GGUFFile

    /// Hashes tensors of `file`.
    public init(_ file: GGUFFile) {
        self.file = file
    }

    /// The root over the named tensors in this order; a name the file lacks counts as nothing.
    public func root(of names: [String]) -> Digest {
        MerkleTree(leaves: names.compactMap(file.tensor).map(root(of:))).root
    }

    /// The root of one tensor of the file.
    public func root(of tensor: TensorInfo) -> Digest {
        TensorCommitment.root(
            name: tensor.name, type: tensor.type.rawValue, dimensions: tensor.dimensions,
            chunks: chunkTree(of: tensor).root)
    }

    /// The tree over the chunks of one tensor of the file. Hashes all its bytes.
    public func chunkTree(of tensor: TensorInfo) -> MerkleTree {
        let name = SHA256.hash(Array(tensor.name.utf8))
        let raw = unsafe file.rawBytes(tensor)
        return MerkleTree(
            leaves: (0..<TensorCommitment.chunks(tensor.byteCount)).map { chunk in
                let part = unsafe raw[
                    TensorCommitment.bytes(of: chunk, byteCount: tensor.byteCount)]
                return unsafe TensorCommitment.leaf(
                    nameHash: name, chunk: chunk, bytes: UnsafeRawBufferPointer(rebasing: part))
            })
    }
}
