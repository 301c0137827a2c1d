public import Verification

extension ModelManifest {
    /// What the bisection game must know about this model; throws `unsupportedFeature` for a model
    /// of version 1.2 of the contract.
    public var disputeModel: DisputeModel {
        get throws(ModelError) {
            try NumericsProfile.requireSingleOperations(profile)
            return allParts
        }
    }

    private var allParts: DisputeModel {
        let layout = ModelLayout(architecture)
        let matrix = [hidden, vocabulary]
        func group(_ layer: Int) -> DisputeModel.Group {
            let tensors = layout.layerParts.map {
                DisputeModel.Tensor(
                    names: [ModelLayout.layerTensor(layer, $0.name)], dimensions: $0.dimensions)
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
