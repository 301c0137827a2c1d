public import Cryptography
public import Primitives
import Synchronization
public import Verification

/// Opens weights of a model file against the roots of its manifest. Keeps the hashes of what it
/// has hashed, 64 bytes for each 64 KiB, so that each tensor is read whole once at most.
public final class WeightOpener: Sendable {
    private let model: ModelFile
    private let hasher: WeightHasher
    private let trees = Mutex<[String: MerkleTree]>([:])

    /// Opens weights of `model`.
    public init(_ model: ModelFile) {
        self.model = model
        hasher = WeightHasher(model.file)
    }

    /// The tensors under one root of the manifest, in the order of its tree.
    func group(of step: StageStep) -> [TensorInfo] {
        let names =
            switch step {
            case .embedding: ModelLayout.headTensors
            case .layer(let layer):
                ModelLayout(model.architecture).tensors(of: Int(layer), in: model.file)
            case .tail: ModelLayout.tailTensors(model.file)
            }
        return names.compactMap(model.file.tensor)
    }

    /// The signed answer to a challenge; `nil` if it is not about layers this file has.
    public func prove(
        _ challenge: WeightChallenge, of parts: DisputeModel, as identity: Ed25519.PrivateKey
    ) -> Signed<WeightProof>? {
        guard Int(challenge.layers.end) <= model.architecture.layers else { return nil }
        let openings = challenge.places(in: parts).map { place in
            open(group(of: place.step), place.tensor, rows: place.row..<place.row + 1)
        }
        return WeightProof(challenge: challenge.digest, openings: openings).signed(by: identity)
    }

    /// The chunks that hold some rows of a tensor of a group; rows of a norm are its numbers.
    func open(_ group: [TensorInfo], _ place: Int, rows: Range<Int>) -> WeightOpening {
        let tensor = group[place]
        let count = tensor.dimensions.count == 1 ? tensor.columns : tensor.rows
        let rowBytes = tensor.byteCount / count
        let size = TensorCommitment.chunkBytes
        let first = rows.lowerBound * rowBytes / size
        let end = TensorCommitment.chunks(rows.upperBound * rowBytes)
        let roots = group.map { tensor in
            TensorCommitment.root(
                name: tensor.name, type: tensor.type.rawValue, dimensions: tensor.dimensions,
                chunks: tree(of: tensor).root)
        }
        let start = first * size
        return WeightOpening(
            name: tensor.name, type: tensor.type.rawValue,
            chunks: Opening(
                bytes: model.file.copyBytes(
                    tensor, offset: start, count: min(end * size, tensor.byteCount) - start),
                path: tree(of: tensor).path(of: first..<end) ?? []),
            groupPath: MerkleTree(leaves: roots).path(of: place..<place + 1) ?? [])
    }

    private func tree(of tensor: TensorInfo) -> MerkleTree {
        if let known = trees.withLock({ $0[tensor.name] }) { return known }
        let tree = hasher.chunkTree(of: tensor)
        trees.withLock { $0[tensor.name] = tree }
        return tree
    }
}
