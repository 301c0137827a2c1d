import Inference
import Primitives

/// A tiny model with random weights in any number format: 3 layers, 64 wide, 4 heads on 2
/// key-value heads of 16, 269 tokens. The odd sizes leave panels of eight rows incomplete. With
/// weights in superblocks of 256 it is 256 wide, as rows must be whole superblocks.
struct SyntheticModel {
    static let layers = 3
    static let hidden = 64
    static let feed = 96
    static let vocabulary = 269

    var builder = GGUFBuilder()
    private var state: UInt64
    private let hidden: Int
    private let feed: Int

    init(
        _ type: TensorType = .q4_1, embedding: TensorType = .q8_0, tied: Bool = true,
        seed: UInt64 = 1
    ) {
        state = seed
        hidden = type.blockCount == 256 ? 256 : Self.hidden
        feed = type.blockCount == 256 ? 512 : Self.feed
        addMetadata()
        addVocabulary()
        addMatrix("token_embd.weight", embedding, hidden, Self.vocabulary)
        for layer in 0..<Self.layers {
            let prefix = "blk.\(layer)."
            addNorm(prefix + "attn_norm.weight")
            addMatrix(prefix + "attn_q.weight", type, hidden, hidden)
            addMatrix(prefix + "attn_k.weight", type, hidden, hidden / 2)
            addMatrix(prefix + "attn_v.weight", type, hidden, hidden / 2)
            addMatrix(prefix + "attn_output.weight", type, hidden, hidden)
            addNorm(prefix + "ffn_norm.weight")
            addMatrix(prefix + "ffn_gate.weight", type, hidden, feed)
            addMatrix(prefix + "ffn_up.weight", type, hidden, feed)
            addMatrix(prefix + "ffn_down.weight", type, feed, hidden)
        }
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

    private mutating func addMetadata() {
        builder.add("general.architecture", text: "llama")
        builder.add("general.name", text: "synthetic")
        for (key, count) in [
            ("block_count", Self.layers), ("context_length", 512),
            ("embedding_length", hidden), ("feed_forward_length", feed),
            ("attention.head_count", 4), ("attention.head_count_kv", 2),
            ("rope.dimension_count", hidden / 4), ("vocab_size", Self.vocabulary),
        ] { builder.add("llama.\(key)", count: UInt32(count)) }
        builder.add("llama.rope.freq_base", float: 10_000)
        builder.add("llama.attention.layer_norm_rms_epsilon", float: 1e-5)
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

    private mutating func addNorm(_ name: String) {
        var writer = ByteWriter()
        for _ in 0..<hidden { writer.write(uniform(0.5, 1.5).bitPattern) }
        builder.tensors.append(
            .init(name: name, type: 0, dimensions: [UInt64(hidden)], bytes: writer.bytes))
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
