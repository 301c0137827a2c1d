import Foundation
import Inference

/// The same model written the obvious way in double precision, without blocks, caches, threads or
/// quantised activations: what the fast engine must come close to.
struct NaiveTransformer {
    private let model: ModelFile

    init(_ model: ModelFile) {
        self.model = model
    }

    /// The logits at every position.
    func logits(_ tokens: [Int32]) -> [[Double]] {
        let embedding = matrix("token_embd.weight")
        var x = tokens.map { embedding[Int($0)] }
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
        let queries = normed.enumerated().map { rotate(multiply(wq, $1), at: $0) }
        let keys = normed.enumerated().map { rotate(multiply(wk, $1), at: $0) }
        let values = normed.map { multiply(wv, $0) }
        for position in x.indices {
            var mixed: [Double] = []
            for head in 0..<heads {
                let own = Array(queries[position][head * size..<(head + 1) * size])
                let start = head / group * size
                let scores = (0...position).map { other in
                    dot(own, Array(keys[other][start..<start + size])) / Double(size).squareRoot()
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
            x[position] = add(x[position], multiply(wo, mixed))
        }
        let (gate, up, down) = (weight("ffn_gate"), weight("ffn_up"), weight("ffn_down"))
        let feedNorm = weight("ffn_norm")[0]
        for position in x.indices {
            let normed = normalise(x[position], feedNorm)
            let inner = zip(multiply(gate, normed), multiply(up, normed)).map {
                $0 / (1 + exp(-$0)) * $1
            }
            x[position] = add(x[position], multiply(down, inner))
        }
    }

    private func normalise(_ x: [Double], _ weight: [Double]) -> [Double] {
        let mean = dot(x, x) / Double(x.count) + Double(model.architecture.epsilon)
        return zip(x, weight).map { $0 / mean.squareRoot() * $1 }
    }

    private func rotate(_ x: [Double], at position: Int) -> [Double] {
        var result = x
        let size = model.architecture.headSize
        for start in stride(from: 0, to: x.count, by: size) {
            for i in stride(from: 0, to: model.architecture.ropeSize, by: 2) {
                let power = Double(i) / Double(model.architecture.ropeSize)
                let angle = Double(position) * pow(model.architecture.ropeBase, -power)
                let (a, b) = (x[start + i], x[start + i + 1])
                result[start + i] = a * cos(angle) - b * sin(angle)
                result[start + i + 1] = a * sin(angle) + b * cos(angle)
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

    private func add(_ left: [Double], _ right: [Double]) -> [Double] { zip(left, right).map(+) }

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
