import Primitives
import Verification

/// The operations of one layer at one position, done one by one with the model's weights, and
/// what each gave.
struct LayerTrace {
    let operations: SingleOperations
    let file: GGUFFile
    let layer: UInt16
    let position: Int
    let fault: PlantedFault?

    /// What the operations of `OperationUnit.cache` gave but the last, and what the cache holds.
    func cache(of row: [Float]) throws -> (results: [[Float]], cached: [UInt8]) {
        let normed = try norm(.attentionNorm, row)
        let key = try multiply(.key, normed)
        let value = try multiply(.value, normed)
        let rotated = altered(.rotateKey, rotate(key))
        var cached = operations.cached(key: rotated, value: value)
        if isFaulty(.cache) { cached[0] ^= 1 }
        return ([normed, key, value, rotated], cached)
    }

    /// What the operations of `OperationUnit.layer` gave but the last, and the row that goes out,
    /// given what the cache holds of all positions up to this one.
    func row(of row: [Float], cached: [UInt8]) throws -> (results: [[Float]], row: [Float]) {
        let (heads, size) = (operations.architecture.heads, operations.architecture.headSize)
        let normed = try norm(.attentionNorm, row)
        let query = try multiply(.query, normed)
        let rotated = altered(.rotateQuery, rotate(query))
        func part(_ numbers: [Float], _ head: Int) -> [Float] {
            let length = numbers.count / heads
            return Array(numbers[head * length..<(head + 1) * length])
        }
        func perHead(_ operation: StageOperation, _ body: (Int) -> [Float]) -> [Float] {
            altered(operation, (0..<heads).flatMap(body))
        }
        let scores = perHead(.scores) {
            operations.scores(part(rotated, $0), head: $0, cached: cached)
        }
        let weights = perHead(.softmax) { operations.softmax(part(scores, $0)) }
        let mixed = perHead(.mix) {
            operations.mix(part(weights, $0), head: $0, cached: cached, numbers: 0..<size)
        }
        let output = try multiply(.output, mixed)
        let attended = altered(.attentionResidual, operations.add(row, output))
        let feed = try norm(.feedNorm, attended)
        let gate = try multiply(.gate, feed)
        let up = try multiply(.up, feed)
        let active = altered(.activation, operations.activate(gate, up))
        let down = try multiply(.down, active)
        let result = altered(.feedResidual, operations.add(attended, down))
        return (
            [
                normed, query, rotated, scores, weights, mixed, output, attended, feed, gate, up,
                active, down,
            ], result
        )
    }

    private func isFaulty(_ operation: StageOperation) -> Bool {
        fault?.isAt(.layer(layer), position, operation) ?? false
    }

    private func altered(_ operation: StageOperation, _ numbers: [Float]) -> [Float] {
        isFaulty(operation) ? numbers.spoiled : numbers
    }

    private func tensor(_ operation: StageOperation) throws(ModelError) -> TensorInfo {
        let part =
            switch operation {
            case .attentionNorm: "attn_norm"
            case .query: "attn_q"
            case .key: "attn_k"
            case .value: "attn_v"
            case .output: "attn_output"
            case .feedNorm: "ffn_norm"
            case .gate: "ffn_gate"
            case .up: "ffn_up"
            default: "ffn_down"
            }
        return try file.required(ModelLayout.layerTensor(Int(layer), part + ".weight"))
    }

    private func norm(_ operation: StageOperation, _ row: [Float]) throws -> [Float] {
        altered(operation, operations.norm(row, by: try tensor(operation), of: file))
    }

    private func multiply(_ operation: StageOperation, _ x: [Float]) throws -> [Float] {
        altered(operation, try operations.multiply(try tensor(operation), of: file, by: x))
    }

    private func rotate(_ values: [Float]) -> [Float] {
        let size = operations.architecture.headSize
        return stride(from: 0, to: values.count, by: size).flatMap {
            operations.rotate(values[$0..<$0 + size], from: 0, at: position)
        }
    }
}

extension [Float] {
    /// With 1 added to the first number.
    var spoiled: [Float] {
        var numbers = self
        numbers[0] += 1
        return numbers
    }
}

extension GGUFFile {
    /// The tensor called `name`; throws if there is none.
    func required(_ name: String) throws(ModelError) -> TensorInfo {
        guard let tensor = tensor(name) else { throw ModelError(.missingTensor, name) }
        return tensor
    }
}

extension SingleOperations {
    /// The norm of a row with a tensor's weights.
    func norm(_ row: [Float], by tensor: TensorInfo, of file: GGUFFile) -> [Float] {
        let bytes = file.copyBytes(tensor, offset: 0, count: tensor.byteCount)
        return norm(row, [Float](littleEndian: bytes[...]), 0..<row.count)
    }

    /// A whole matrix by a vector.
    func multiply(_ tensor: TensorInfo, of file: GGUFFile, by x: [Float]) throws(Failure) -> [Float]
    {
        unsafe try multiply(file.rawBytes(tensor), tensor.type, rows: tensor.rows, by: x)
    }
}
