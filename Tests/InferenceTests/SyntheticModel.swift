import Inference
import Primitives

/// A tiny model with random weights in any number format: 3 layers, 64 wide, 4 heads on 2
/// key-value heads of 16, 269 tokens. The odd sizes leave panels of eight rows incomplete. With
/// weights in superblocks of 256 it is 256 wide, as rows must be whole superblocks.
///
/// Of any family: Qwen3 and Gemma 3 have heads of 24 that are not a part of the width, and two of
/// Gemma's layers see 16 positions.
struct SyntheticModel {
    static let layers = 3
    static let hidden = 64
    static let feed = 96
    static let vocabulary = 269

    var builder = GGUFBuilder()
    private var state: UInt64
    private let family: ModelFamily
    private let hidden: Int
    private let feed: Int
    private let headSize: Int

    init(
        _ type: TensorType = .q4_1, embedding: TensorType = .q8_0, tied: Bool = true,
        family: ModelFamily = .llama, ropeFactors: Bool = false, layers: Int = Self.layers,
        seed: UInt64 = 1
    ) {
        state = seed
        self.family = family
        hidden = type.blockCount == 256 ? 256 : Self.hidden
        feed = type.blockCount == 256 ? 512 : Self.feed
        headSize = family == .llama || family == .qwen2 ? hidden / 4 : 24
        addMetadata(layers: layers)
        addVocabulary()
        addMatrix("token_embd.weight", embedding, hidden, Self.vocabulary)
        for layer in 0..<layers {
            let prefix = "blk.\(layer)."
            addNorm(prefix + "attn_norm.weight")
            addMatrix(prefix + "attn_q.weight", type, hidden, 4 * headSize)
            addMatrix(prefix + "attn_k.weight", type, hidden, 2 * headSize)
            addMatrix(prefix + "attn_v.weight", type, hidden, 2 * headSize)
            addMatrix(prefix + "attn_output.weight", type, 4 * headSize, hidden)
            addNorm(prefix + "ffn_norm.weight")
            addMatrix(prefix + "ffn_gate.weight", type, hidden, feed)
            addMatrix(prefix + "ffn_up.weight", type, hidden, feed)
            addMatrix(prefix + "ffn_down.weight", type, feed, hidden)
            addVectors(prefix)
        }
        if ropeFactors { addVector("rope_freqs.weight", headSize / 2, 1, 8) }
        addNorm("output_norm.weight")
        if !tied { addMatrix("output.weight", type, hidden, Self.vocabulary) }
    }

    /// Weights so large that every row but zeros overflows in the last layer.
    static func overflowing() -> SyntheticModel {
        var synthetic = SyntheticModel(.f32)
        for place in synthetic.builder.tensors.indices
        where synthetic.builder.tensors[place].name == "blk.2.ffn_down.weight" {
            for byte in stride(from: 3, to: synthetic.builder.tensors[place].bytes.count, by: 4) {
                synthetic.builder.tensors[place].bytes[byte] = 0x7e
            }
        }
        return synthetic
    }

    func model() throws -> ModelFile { try ModelFile(bytes: builder.build()) }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    private mutating func uniform(_ low: Float, _ high: Float) -> Float {
        low + (high - low) * Float(next() & 0xffff) / 65_536
    }

    private mutating func addMetadata(layers: Int) {
        builder.add("general.architecture", text: family.rawValue)
        builder.add("general.name", text: "synthetic")
        for (key, count) in [
            ("block_count", layers), ("context_length", 512),
            ("embedding_length", hidden), ("feed_forward_length", feed),
            ("attention.head_count", 4), ("attention.head_count_kv", 2),
            ("rope.dimension_count", headSize), ("vocab_size", Self.vocabulary),
        ] { builder.add("\(family).\(key)", count: UInt32(count)) }
        builder.add("\(family).rope.freq_base", float: 10_000)
        builder.add("\(family).attention.layer_norm_rms_epsilon", float: 1e-5)
        if headSize != hidden / 4 {
            builder.add("\(family).attention.key_length", count: UInt32(headSize))
            builder.add("\(family).attention.value_length", count: UInt32(headSize))
        }
        if family != .gemma3 { return }
        builder.add("gemma3.attention.sliding_window", count: 16)
        builder.add("gemma3.attention.sliding_window_pattern", count: 2)
        builder.add("gemma3.rope.freq_base_swa", float: 500)
        builder.add("gemma3.rope.scaling.type", text: "linear")
        builder.add("gemma3.rope.scaling.factor", float: 4)
    }

    /// What the family has in a layer beside Llama's tensors.
    private mutating func addVectors(_ prefix: String) {
        if family == .qwen2 {
            addVector(prefix + "attn_q.bias", 4 * headSize, -1, 1)
            addVector(prefix + "attn_k.bias", 2 * headSize, -1, 1)
            addVector(prefix + "attn_v.bias", 2 * headSize, -0.5, 0.5)
        }
        if family == .qwen3 || family == .gemma3 {
            addVector(prefix + "attn_q_norm.weight", headSize, 0.5, 2)
            addVector(prefix + "attn_k_norm.weight", headSize, 0.5, 2)
        }
        if family == .gemma3 {
            addVector(prefix + "post_attention_norm.weight", hidden, 0.1, 1)
            addVector(prefix + "post_ffw_norm.weight", hidden, 0.1, 1)
        }
    }

    private mutating func addVocabulary() {
        var tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        var next: UInt32 = 0x100
        for byte in UInt32(0)..<256 {
            let printable =
                (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte)
                || (0xae...0xff).contains(byte)
            guard let scalar = Unicode.Scalar(printable ? byte : next) else { continue }
            if !printable { next += 1 }
            tokens.append(String(Character(scalar)))
        }
        let merges = ["a b", "ab ab", "t h", "th e", "Ġ the", "Ġ a", "i n", "e r", "o u", "ou r"]
        tokens += merges.map { $0.filter { $0 != " " } }
        builder.add("tokenizer.ggml.model", text: "gpt2")
        builder.add("tokenizer.ggml.pre", text: "smollm")
        builder.add("tokenizer.ggml.tokens", texts: tokens)
        builder.add(
            "tokenizer.ggml.token_type",
            integers: tokens.indices.map { $0 < 3 ? 3 : 1 })
        builder.add("tokenizer.ggml.merges", texts: merges)
        builder.add("tokenizer.ggml.bos_token_id", count: 1)
        builder.add("tokenizer.ggml.eos_token_id", count: 2)
    }

    private mutating func addNorm(_ name: String) { addVector(name, hidden, 0.5, 1.5) }

    private mutating func addVector(_ name: String, _ count: Int, _ low: Float, _ high: Float) {
        var writer = ByteWriter()
        for _ in 0..<count { writer.write(uniform(low, high).bitPattern) }
        builder.tensors.append(
            .init(name: name, type: 0, dimensions: [UInt64(count)], bytes: writer.bytes))
    }

    private mutating func addMatrix(
        _ name: String, _ type: TensorType, _ columns: Int, _ rows: Int
    ) {
        builder.tensors.append(
            .init(
                name: name, type: type.rawValue, dimensions: [UInt64(columns), UInt64(rows)],
                bytes: blocks(type, count: columns * rows / type.blockCount)))
    }

    /// Random blocks of a number format.
    mutating func blocks(_ type: TensorType, count: Int) -> [UInt8] {
        var writer = ByteWriter()
        func writeRandom(_ count: Int) {
            for _ in 0..<count { writer.write(UInt8(truncatingIfNeeded: next())) }
        }
        func writeScales(_ low: Float, _ high: Float, minimum: Float) {
            let scale = uniform(low, high)
            writer.write(Float16(scale).bitPattern)
            writer.write(Float16(minimum * scale).bitPattern)
        }
        for _ in 0..<count {
            switch type {
            case .f32: writer.write(uniform(-0.2, 0.2).bitPattern)
            case .f16: writer.write(Float16(uniform(-0.2, 0.2)).bitPattern)
            case .q8_0:
                writer.write(Float16(uniform(0.0005, 0.002)).bitPattern)
                writeRandom(32)
            case .q4_0:
                writer.write(Float16(uniform(0.01, 0.03)).bitPattern)
                writeRandom(16)
            case .q4_1:
                writeScales(0.01, 0.03, minimum: -7.5)
                writeRandom(16)
            case .bf16: writer.write(UInt16(uniform(-0.2, 0.2).bitPattern >> 16))
            case .q5_0:
                writer.write(Float16(uniform(0.005, 0.015)).bitPattern)
                writeRandom(20)
            case .q4_K:
                writeScales(0.0001, 0.0003, minimum: 7.5)
                writeRandom(140)
            case .q6_K:
                writeRandom(208)
                writer.write(Float16(uniform(0.00003, 0.00005)).bitPattern)
            }
        }
        return writer.bytes
    }
}
