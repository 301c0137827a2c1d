/// Metadata that asks for arithmetic this engine does not do. A file that has it is refused: its
/// answers would be those of another model. The keys are those that llama.cpp reads for the
/// families here (`src/llama-model.cpp`).
struct UnsupportedFeatures {
    private let family: ModelFamily

    init(_ family: ModelFamily) {
        self.family = family
    }

    /// Keys that are refused unless their number is 0, their flag off.
    private static let whenSet = [
        "attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa",
        "rope.scale_linear", "final_logit_softcapping", "attn_logit_softcapping",
        "nextn_predict_layers", "embedding_length_out",
    ]

    /// Throws `unsupportedFeature` with the key.
    func check(_ file: GGUFFile) throws(ModelError) {
        let prefix = family.rawValue + "."
        for (key, value) in file.metadata where key.hasPrefix(prefix) {
            let name = key.dropFirst(prefix.count)
            if isRefused(String(name), value) { throw ModelError(.unsupportedFeature, key) }
        }
    }

    private func isRefused(_ name: String, _ value: GGUFValue) -> Bool {
        if name.hasPrefix("rope.scaling.") { return isRefusedScaling(name, value) }
        if name.hasPrefix("expert_") || Self.whenSet.contains(name) { return !isOff(value) }
        switch name {
        case "attention.causal": return value != .flag(true)
        case "attention.sliding_window": return !family.hasLocalLayers && !isOff(value)
        default: return false
        }
    }

    private func isRefusedScaling(_ name: String, _ value: GGUFValue) -> Bool {
        if value == .text("none") { return false }
        guard family.hasLocalLayers else { return true }
        switch name {
        case "rope.scaling.type": return value != .text("linear")
        case "rope.scaling.factor": return false
        default: return true
        }
    }

    private func isOff(_ value: GGUFValue) -> Bool {
        value.count == 0 || value == .float(0) || value == .flag(false)
    }
}
