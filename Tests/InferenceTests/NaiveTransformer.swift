import Foundation
import Inference

/// The same model written the obvious way in double precision, without blocks, caches, threads or
/// quantised activations: what the fast engine must come close to.
struct NaiveTransformer {
    private let model: ModelFile
    private var family: ModelFamily { model.architecture.family }

    init(_ model: ModelFile) {
        self.model = model
    }

    /// The logits at every position.
    func logits(_ tokens: [Int32]) -> [[Double]] {
        let embedding = matrix("token_embd.weight")
        let scale = family == .gemma3 ? Double(model.architecture.hidden).squareRoot() : 1
        var x = tokens.map { embedding[Int($0)].map { $0 * scale } }
        for layer in 0..<model.architecture.layers { run(layer, &x) }
        let norm = matrix("output_norm.weight")[0]
        let output = model.tiesOutput ? embedding : matrix("output.weight")
        return x.map { multiply(output, normalise($0, norm)) }
    }

    private func run(_ layer: Int, _ x: inout [[Double]]) {
        func weight(_ part: String) -> [[Double]] { matrix("blk.\(layer).\(part).weight") }
        let (heads, size) = (model.architecture.heads, model.architecture.headSize)
        let group = heads / model.architecture.keyValueHeads
        let normed = x.map { normalise($0, weight("attn_norm")[0]) }
        let (wq, wk, wv, wo) = (
            weight("attn_q"), weight("attn_k"), weight("attn_v"), weight("attn_output")
        )
        let (bq, bk, bv) = (
            vector(layer, "attn_q.bias"), vector(layer, "attn_k.bias"), vector(layer, "attn_v.bias")
        )
        let (nq, nk) = (vector(layer, "attn_q_norm.weight"), vector(layer, "attn_k_norm.weight"))
        let queries = normed.enumerated().map {
            rotate(normaliseHeads(add(multiply(wq, $1), bq), nq), at: $0, in: layer)
        }
        let keys = normed.enumerated().map {
            rotate(normaliseHeads(add(multiply(wk, $1), bk), nk), at: $0, in: layer)
        }
        let values = normed.map { add(multiply(wv, $0), bv) }
        for position in x.indices {
            var mixed: [Double] = []
            for head in 0..<heads {
                let own = Array(queries[position][head * size..<(head + 1) * size])
                let start = head / group * size
                let scores = (0...position).map { other in
                    sees(position, other, in: layer)
                        ? dot(own, Array(keys[other][start..<start + size]))
                            / scoreSize.squareRoot()
                        : -Double.infinity
                }
                let top = scores.max() ?? 0
                let weights = scores.map { exp($0 - top) }
                let sum = weights.reduce(0, +)
                for i in 0..<size {
                    mixed.append(
                        weights.enumerated().reduce(0) { $0 + $1.1 * values[$1.0][start + i] }
                            / sum)
                }
            }
            let result = multiply(wo, mixed)
            x[position] = add(
                x[position], normaliseResult(result, layer, "post_attention_norm.weight"))
        }
        let (gate, up, down) = (weight("ffn_gate"), weight("ffn_up"), weight("ffn_down"))
        let feedNorm = weight("ffn_norm")[0]
        for position in x.indices {
            let normed = normalise(x[position], feedNorm)
            let inner = zip(multiply(gate, normed), multiply(up, normed)).map {
                activate($0) * $1
            }
            let result = multiply(down, inner)
            x[position] = add(x[position], normaliseResult(result, layer, "post_ffw_norm.weight"))
        }
    }

    /// SiLU, or GELU as its authors approximate it with a hyperbolic tangent.
    private func activate(_ x: Double) -> Double {
        if family != .gemma3 { return x / (1 + exp(-x)) }
        return 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    /// What scores are scaled by: the size of a head, but the width over the heads in Gemma 3 27B,
    /// which has 62 layers.
    private var scoreSize: Double {
        let sizes = model.architecture
        let isLarge = family == .gemma3 && sizes.layers == 62
        return Double(isLarge ? sizes.hidden / sizes.heads : sizes.headSize)
    }

    /// Gemma 3's synthetic layers 0 and 2 see 16 positions.
    private func isLocal(_ layer: Int) -> Bool { family == .gemma3 && layer % 2 == 0 }

    private func sees(_ position: Int, _ other: Int, in layer: Int) -> Bool {
        !isLocal(layer) || position - other < 16
    }

    private func normaliseHeads(_ x: [Double], _ weight: [Double]) -> [Double] {
        if weight.isEmpty { return x }
        return stride(from: 0, to: x.count, by: weight.count).flatMap {
            normalise(Array(x[$0..<$0 + weight.count]), weight)
        }
    }

    private func normaliseResult(_ x: [Double], _ layer: Int, _ part: String) -> [Double] {
        let weight = vector(layer, part)
        return weight.isEmpty ? x : normalise(x, weight)
    }

    /// A vector that not every family has: empty where it is missing.
    private func vector(_ layer: Int, _ part: String) -> [Double] {
        matrix("blk.\(layer).\(part)").first ?? []
    }

    private func normalise(_ x: [Double], _ weight: [Double]) -> [Double] {
        let mean = dot(x, x) / Double(x.count) + Double(model.architecture.epsilon)
        return zip(x, weight).map { $0 / mean.squareRoot() * $1 }
    }

    private func rotate(_ x: [Double], at position: Int, in layer: Int) -> [Double] {
        var result = x
        let size = model.architecture.headSize
        let ropeSize = model.architecture.ropeSize
        let factors = matrix("rope_freqs.weight").first
        let base = isLocal(layer) ? 500 : model.architecture.ropeBase
        for start in stride(from: 0, to: x.count, by: size) {
            for pair in 0..<ropeSize / 2 {
                var angle = Double(position) * pow(base, -2 * Double(pair) / Double(ropeSize))
                if family == .gemma3, !isLocal(layer) { angle /= 4 }
                if let factors { angle /= factors[pair] }
                let first = start + (family == .llama ? 2 * pair : pair)
                let second = first + (family == .llama ? 1 : ropeSize / 2)
                result[first] = x[first] * cos(angle) - x[second] * sin(angle)
                result[second] = x[first] * sin(angle) + x[second] * cos(angle)
            }
        }
        return result
    }

    private func multiply(_ matrix: [[Double]], _ x: [Double]) -> [Double] {
        matrix.map { dot($0, x) }
    }

    private func dot(_ left: [Double], _ right: [Double]) -> Double {
        zip(left, right).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private func add(_ left: [Double], _ right: [Double]) -> [Double] {
        right.isEmpty ? left : zip(left, right).map(+)
    }

    /// The rows of a tensor, unpacked from the file's bytes.
    private func matrix(_ name: String) -> [[Double]] {
        guard let tensor = model.file.tensor(name) else { return [] }
        let bytes = model.file.copyBytes(tensor, offset: 0, count: tensor.byteCount)
        var numbers: [Double] = []
        for start in stride(from: 0, to: bytes.count, by: tensor.type.blockBytes) {
            numbers += ReferenceBlocks.unpack(
                bytes[start..<start + tensor.type.blockBytes], tensor.type)
        }
        return stride(from: 0, to: numbers.count, by: tensor.columns).map {
            Array(numbers[$0..<$0 + tensor.columns])
        }
    }
}
