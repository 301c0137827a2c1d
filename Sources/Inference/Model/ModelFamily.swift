/// A family of transformers, by its name in `general.architecture`, and how its graph differs from
/// Llama's. Sources: the graphs of llama.cpp (`src/models`) and the papers of the models.
public enum ModelFamily: String, CaseIterable, Hashable, Sendable {
    /// Llama 1 to 3 and what copies its graph: Mistral 7B, SmolLM2, TinyLlama.
    case llama
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    case qwen2
    /// Qwen3: norms on the heads of queries and keys.
    case qwen3
    /// Gemma 3: norms on heads and on results, GELU, layers with a sliding window.
    case gemma3

    /// Whether the pairs of the rotation are the two halves of a head, and not neighbours.
    var rotatesHalves: Bool { self != .llama }

    /// Whether queries, keys and values have biases.
    var hasBiases: Bool { self == .qwen2 }

    /// Whether each head of queries and keys is normed before the rotation.
    var normsHeads: Bool { self == .qwen3 || self == .gemma3 }

    /// Whether the results of attention and feed-forward are normed before they are added.
    var normsResults: Bool { self == .gemma3 }

    /// Whether the feed-forward part takes GELU, and not SiLU.
    var usesGELU: Bool { self == .gemma3 }

    /// Whether embeddings are multiplied by the square root of the hidden size.
    var scalesEmbedding: Bool { self == .gemma3 }

    /// Whether layers may have a sliding window, and others a rotation whose angles are divided.
    var hasLocalLayers: Bool { self == .gemma3 }

    /// Whether a tensor may divide the angle of each pair, as in Llama 3.1 and later.
    var mayHaveRopeFactors: Bool { self == .llama }
}
