public import Verification

extension ModelManifest {
    /// What the bisection game must know about this model.
    public var disputeModel: DisputeModel {
        let layout = ModelLayout(architecture)
        let matrix = [hidden, vocabulary]
        func group(_ layer: Int) -> DisputeModel.Group {
            let tensors = ModelLayout.layerParts.map { part in
                let (columns, rows) = layout.shape(of: part)
                return DisputeModel.Tensor(
                    names: [ModelLayout.layerTensor(layer, part)],
                    dimensions: rows.map { [columns, $0] } ?? [columns])
            }
            return DisputeModel.Group(root: layerRoots[layer], tensors: tensors)
        }
        return DisputeModel(
            root: root, profile: profile, hidden: hidden, feed: architecture.feed,
            heads: architecture.heads, keyValueHeads: architecture.keyValueHeads,
            headSize: architecture.headSize, vocabulary: vocabulary,
            head: DisputeModel.Group(
                root: headRoot,
                tensors: [.init(names: ModelLayout.headTensors, dimensions: matrix)]),
            layers: layerRoots.indices.map(group),
            tail: DisputeModel.Group(
                root: tailRoot,
                tensors: [
                    .init(names: ["output_norm.weight"], dimensions: [hidden]),
                    .init(names: ["output.weight", "token_embd.weight"], dimensions: matrix),
                ]))
    }
}
