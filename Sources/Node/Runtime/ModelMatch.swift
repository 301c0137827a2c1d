public import Inference

/// Says in what two manifests differ, for whoever has the wrong file.
public enum ModelMatch {
    /// One sentence: the parts in which `ours` is not `theirs`; `nil` if only the names differ.
    public static func difference(_ ours: ModelManifest, _ theirs: ModelManifest) -> String? {
        if ours.architecture != theirs.architecture {
            return "another architecture: \(ours.layers) layers of width \(ours.hidden), the "
                + "house has \(theirs.layers) of \(theirs.hidden)"
        }
        var parts: [String] = []
        if ours.profile != theirs.profile { parts.append("the arithmetic profile") }
        if ours.tokenizerHash != theirs.tokenizerHash { parts.append("the tokenizer") }
        if ours.quantisation != theirs.quantisation {
            parts.append("the format, \(ours.quantisation) for \(theirs.quantisation)")
        }
        if ours.headRoot != theirs.headRoot { parts.append("the embedding") }
        if ours.tailRoot != theirs.tailRoot { parts.append("the output matrix") }
        let layers = zip(ours.layerRoots, theirs.layerRoots).enumerated()
            .filter { $0.element.0 != $0.element.1 }.map { String($0.offset) }
        if !layers.isEmpty {
            parts.append("the weights of layers \(layers.joined(separator: ", "))")
        }
        return parts.isEmpty ? nil : "different: " + parts.joined(separator: "; ")
    }
}
