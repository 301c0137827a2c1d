import Cryptography
import Primitives
import Verification

/// Opens weights of a model file against the roots of its manifest.
struct WeightOpener {
    private let file: GGUFFile
    private let layout: ModelLayout
    private let hasher: WeightHasher

    init(_ model: ModelFile) {
        file = model.file
        layout = ModelLayout(model.architecture)
        hasher = WeightHasher(model.file)
    }

    /// The tensors under one root of the manifest, in the order of its tree.
    func group(of step: StageStep) -> [TensorInfo] {
        let names =
            switch step {
            case .embedding: ModelLayout.headTensors
            case .layer(let layer): layout.tensors(of: Int(layer), in: file)
            case .tail: ModelLayout.tailTensors(file)
            }
        return names.compactMap(file.tensor)
    }

    /// The chunks that hold some rows of a tensor of a group; rows of a norm are its numbers.
    /// Hashes the whole group.
    func open(_ group: [TensorInfo], _ place: Int, rows: Range<Int>) -> WeightOpening {
        let tensor = group[place]
        let count = tensor.dimensions.count == 1 ? tensor.columns : tensor.rows
        let rowBytes = tensor.byteCount / count
        let size = TensorCommitment.chunkBytes
        let first = rows.lowerBound * rowBytes / size
        let end = TensorCommitment.chunks(rows.upperBound * rowBytes)
        let tree = hasher.chunkTree(of: tensor)
        let roots = group.enumerated().map { index, other in
            index == place
                ? TensorCommitment.root(
                    name: tensor.name, type: tensor.type.rawValue, dimensions: tensor.dimensions,
                    chunks: tree.root)
                : hasher.root(of: other)
        }
        return WeightOpening(
            name: tensor.name, type: tensor.type.rawValue,
            chunks: Opening(
                bytes: file.copyBytes(tensor, offset: first * size, count: (end - first) * size),
                path: tree.path(of: first..<end) ?? []),
            groupPath: MerkleTree(leaves: roots).path(of: place..<place + 1) ?? [])
    }
}
